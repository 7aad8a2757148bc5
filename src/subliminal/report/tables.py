"""Tables of text, a row per condition: mean [95% CI] over seeds; as Markdown and LaTeX."""

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from statistics import fmean

import numpy as np
import polars as pl

from subliminal import metrics, store
from subliminal.config.terminal import printable
from subliminal.report import escape
from subliminal.report.conditions import Condition, per_seed
from subliminal.report.statistics import Estimate, adjusted_p, format_effect, mean_ci, mean_cis

OBJECTIVE = "objective"  # begins the titles of columns
DIFFERENCE = f"{metrics.TRAIT_ACCURACY} less the baseline's"  # paired by seed


def results(conditions: list[Condition]) -> pl.DataFrame:
    """Return one row per condition.

    Differences are paired by seed with the first condition. d_z is their mean over their SD. p is
    that of a sign-flip permutation test, adjusted by Holm's procedure for the conditions shown.
    """
    baseline = conditions[0]
    differences = [[], *(c.differences(baseline) for c in conditions[1:])]
    rows = []
    for condition, paired, p in zip(conditions, differences, adjusted_p(differences), strict=True):
        row = {"condition": condition.name, "n": str(len(condition.seeds))}
        accuracy = list(condition.accuracy.values())
        row["trait accuracy"] = mean_ci(accuracy).format(3)
        row["SD"] = f"{np.std(accuracy, ddof=1):.3f}" if len(accuracy) > 1 else ""
        if len(conditions) > 1:
            row["paired difference"] = mean_ci(paired).format(3, sign=True) if paired else "–"
            if condition is not baseline and not paired:
                same = condition.measured_on() == baseline.measured_on()
                row["paired difference"] = "no seed in common" if same else "other data"
            row["d_z"] = format_effect(paired)
            row["p (Holm)"] = "" if p is None else f"{p:.1g}"
        if condition.logged(metrics.ALIGNMENT):
            alignment = condition.over_run(metrics.ALIGNMENT)
            row["alignment"] = mean_ci(alignment.values()).format(4)
            positive = condition.positive(metrics.ALIGNMENT)
            row["positive steps"] = mean_ci(positive.values()).format(2)
        row["distillation loss ×10⁴"] = mean_ci(condition.loss.values()).format(2)
        rows.append(row)
    for metric, direction in _searched(conditions[0].directory.parent).items():
        finals = [[*c.final(metric).values()] for c in conditions]
        means = {place: fmean(final) for place, final in enumerate(finals) if final}
        best = (max if direction == "maximize" else min)(means.values(), default=0.0)
        for place, mean in means.items():
            rows[place][f"{OBJECTIVE} {metric}"] = f"{mean:.4g}{' (best)' * (mean == best)}"
    return _table(rows)


def _searched(experiment: Path) -> dict[str, str]:
    """Return the metrics that a search in an experiment optimises: maximize | minimize."""
    try:
        goals: dict[str, str] = json.loads((experiment / store.SEARCH).read_text(encoding="utf-8"))
        return goals
    except (OSError, ValueError):
        return {}


def tidy(conditions: list[Condition], names: Sequence[str]) -> pl.DataFrame:
    """Return numbers: a row per condition, metric and epoch, then the paired differences.

    `p` is that of the paired differences, adjusted by Holm's procedure for the conditions shown.
    """
    rows: list[tuple[str | int | float | None, ...]] = []
    for condition in conditions:
        known = [name for name in names if name in condition.epochs.columns]
        values = condition.epochs.sort("epoch", "seed").unpivot(known, index="epoch").drop_nulls()
        groups = values.group_by("variable", "epoch", maintain_order=True).agg("value")
        estimates = mean_cis(groups["value"].to_list())
        for (name, epoch, _), e in zip(groups.iter_rows(), estimates, strict=True):
            rows.append((condition.name, name, int(epoch), e.mean, e.low, e.high, e.n, None))
    differences = [c.differences(conditions[0]) for c in conditions[1:]]
    tests = zip(conditions[1:], differences, adjusted_p(differences), strict=True)
    for condition, paired, p in (test for test in tests if test[1]):
        e, epoch = mean_ci(paired), int(condition.epochs["epoch"].max())  # type: ignore[arg-type]
        rows.append((condition.name, DIFFERENCE, epoch, e.mean, e.low, e.high, e.n, p))
    header = ["condition", "metric", "epoch", "mean", "low", "high", "n", "p"]
    return pl.DataFrame(rows, schema=header, orient="row", infer_schema_length=None)


def by_epoch(numbers: pl.DataFrame, metric: str, digits: int) -> pl.DataFrame:
    """Return one row per condition, one column per epoch, from the result of `tidy`."""
    rows: dict[str, dict[str, str]] = {}
    measured = numbers.filter(pl.col("metric") == metric).drop("metric", "p")
    for name, epoch, *estimate in measured.iter_rows():
        row = rows.setdefault(name, {"condition": name})
        row[f"epoch {epoch}"] = Estimate(*estimate).format(digits)
    return _table([*rows.values()])


def _table(rows: list[dict[str, str]]) -> pl.DataFrame:
    """Return rows as a table, with "" for missing values."""
    return pl.DataFrame(rows, infer_schema_length=None).fill_null("") if rows else pl.DataFrame()


def ledger(conditions: list[Condition]) -> pl.DataFrame:
    """Return one row per condition: the ledger's sums over the run, in nats of trait loss."""
    columns = {
        "predicted": metrics.LEDGER_PREDICTED,
        "actual": metrics.LEDGER_ACTUAL,
        "by distillation": metrics.LEDGER_DISTILL,
        "by penalty": metrics.LEDGER_PENALTY,
        "by intervention": metrics.LEDGER_INTERVENTION,
    }
    rows = []
    for condition in conditions:
        if metrics.LEDGER_PREDICTED not in condition.steps.columns:
            continue
        row = {"condition": condition.name}
        for title, metric in columns.items():
            if metric in condition.steps.columns:
                sums = per_seed(condition.steps, pl.col(metric).sum())
                row[title] = mean_ci(sums.values()).format(3, sign=True)
        rows.append(row)
    return _table(rows)


def teacher_accuracies(conditions: list[Condition]) -> dict[int, float]:
    """Return each seed's teacher's final test accuracy."""
    final: dict[int, float] = {}
    for condition in conditions:
        final |= condition.final(metrics.TEACHER_ACCURACY)
    return final


def teacher_accuracy(conditions: list[Condition]) -> Estimate:
    """Return the teachers' final test accuracy, each seed counted once."""
    return mean_ci(teacher_accuracies(conditions).values())


def initial_accuracy(conditions: list[Condition]) -> Estimate:
    """Return the trait accuracy before training, each seed of the first condition counted once."""
    return mean_ci(conditions[0].in_epoch(metrics.TRAIT_ACCURACY, 0).values())


def markdown(table: pl.DataFrame, *, marked: Collection[str] = ()) -> str:
    """Return a table in Markdown; cells of the columns `marked` are Markdown already."""
    names = table.columns
    rows = (
        [c if name in marked else escape.markdown(c) for name, c in zip(names, row, strict=True)]
        for row in table.iter_rows()
    )
    lines = [map(escape.markdown, names), ["---"] * len(names), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def latex(table: pl.DataFrame, title: str) -> str:
    """Return a table in LaTeX, with the rules of the package booktabs."""
    body = [" & ".join(escape.latex(cell) for cell in line) + r" \\" for line in table.iter_rows()]
    return "\n".join(
        [
            f"% {printable(title)}; needs \\usepackage{{booktabs}}",
            rf"\begin{{tabular}}{{l{'r' * (len(table.columns) - 1)}}}",
            r"\toprule",
            " & ".join(escape.latex(name) for name in table.columns) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )
