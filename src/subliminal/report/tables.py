"""The results of an experiment as rows of text: one per condition, mean [95% CI] over seeds."""

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from subliminal import metrics
from subliminal.report.runs import Condition
from subliminal.statistics import Estimate, format_effect, holm, mean_ci, paired_p

# What LaTeX would take for its own, and signs that its fonts lack.
_LATEX = str.maketrans(
    {
        **{sign: f"\\{sign}" for sign in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "−": "$-$",
        "×": r"$\times$",
        "±": r"$\pm$",
        "≥": r"$\ge$",
        "⁴": "$^4$",
        "–": "--",
        "…": r"\ldots{}",
        "<": "$<$",
        ">": "$>$",
    }
)


def results(conditions: list[Condition]) -> pl.DataFrame:
    """Return one row per condition.

    Differences are paired by seed with the first condition; p is of a sign-flip permutation test,
    adjusted by Holm's procedure for the conditions shown, d_z the mean difference over its SD.
    """
    baseline = conditions[0]
    paired_with = {c.name: differences(c, baseline) for c in conditions[1:]}
    tested = {name: values for name, values in paired_with.items() if len(values) > 1}
    p_values = dict(zip(tested, holm([paired_p(v) for v in tested.values()]), strict=True))
    rows = []
    for condition in conditions:
        row = {"condition": condition.name, "n": str(len(condition.seeds))}
        accuracy = condition.final(metrics.TRAIT_ACCURACY)
        row["trait accuracy"] = mean_ci(list(accuracy.values())).format(3)
        row["SD"] = f"{np.std(list(accuracy.values()), ddof=1):.3f}" if len(accuracy) > 1 else ""
        paired = paired_with.get(condition.name)
        row["paired difference"] = mean_ci(paired).format(3, sign=True) if paired else "–"
        row["d_z"] = format_effect(paired) if paired else ""
        row["p (Holm)"] = f"{p_values[condition.name]:.1g}" if condition.name in tested else ""
        if condition.logged(metrics.ALIGNMENT):
            alignment = condition.over_run(metrics.ALIGNMENT)
            row["alignment"] = mean_ci(list(alignment.values())).format(4)
            positive = condition.positive(metrics.ALIGNMENT)
            row["positive steps"] = mean_ci(list(positive.values())).format(2)
        loss = condition.final(metrics.DISTILL_LOSS)
        row["distillation loss ×10⁴"] = mean_ci([1e4 * v for v in loss.values()]).format(2)
        rows.append(row)
    return pl.DataFrame(rows, infer_schema_length=None).fill_null("")


def by_epoch(conditions: list[Condition], metric: str, digits: int) -> pl.DataFrame:
    """Return one row per condition, one column per epoch."""
    rows = []
    for condition in conditions:
        cells = {
            f"epoch {epoch}": estimate.format(digits)
            for epoch, estimate in epochs(condition, metric)
        }
        if cells:
            rows.append({"condition": condition.name, **cells})
    return pl.DataFrame(rows, infer_schema_length=None).fill_null("") if rows else pl.DataFrame()


def epochs(condition: Condition, metric: str) -> Iterator[tuple[int, Estimate]]:
    """Yield each epoch in which a metric was measured, with its mean over seeds."""
    if metric in condition.epochs.columns:
        known = condition.epochs.select("epoch", metric).drop_nulls().sort("epoch")
        for (epoch,), values in known.group_by("epoch", maintain_order=True):
            yield int(str(epoch).partition(".")[0]), mean_ci(values[metric].to_list())


def tidy(conditions: list[Condition], names: Sequence[str]) -> pl.DataFrame:
    """Return numbers for other programs: a row per condition, metric and epoch."""
    rows = [
        (c.name, name, epoch, estimate.mean, estimate.low, estimate.high, estimate.n)
        for c in conditions
        for name in names
        for epoch, estimate in epochs(c, name)
    ]
    header = ["condition", "metric", "epoch", "mean", "low", "high", "n"]
    return pl.DataFrame(rows, schema=header, orient="row", infer_schema_length=None)


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
                sums = condition.steps.group_by("seed").agg(pl.col(metric).sum()).sort("seed")
                row[title] = mean_ci(sums[metric].to_list()).format(3, sign=True)
        rows.append(row)
    return pl.DataFrame(rows, infer_schema_length=None).fill_null("") if rows else pl.DataFrame()


def teacher_accuracy(conditions: list[Condition]) -> Estimate:
    """Return the teachers' final test accuracy, each seed counted once."""
    final: dict[int, float] = {}
    for condition in conditions:
        last = condition.teacher.filter(pl.col("epoch") == condition.teacher["epoch"].max())
        final |= dict(zip(last["seed"], last[metrics.TEACHER_ACCURACY], strict=True))
    return mean_ci(list(final.values()))


def initial_accuracy(conditions: list[Condition]) -> Estimate:
    """Return the trait accuracy before training, each seed of the first condition counted once."""
    first = conditions[0].epochs
    return mean_ci(first.filter(pl.col("epoch") == 0)[metrics.TRAIT_ACCURACY].to_list())


def markdown(table: pl.DataFrame) -> str:
    """Return a table of text in Markdown."""
    lines = [table.columns, ["---"] * len(table.columns), *table.iter_rows()]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def latex(table: pl.DataFrame, title: str) -> str:
    """Return a table of text in LaTeX, with the rules of the package booktabs."""
    body = [" & ".join(_escape(cell) for cell in line) + r" \\" for line in table.iter_rows()]
    return "\n".join(
        [
            f"% {title}; needs \\usepackage{{booktabs}}",
            rf"\begin{{tabular}}{{l{'r' * (len(table.columns) - 1)}}}",
            r"\toprule",
            " & ".join(_escape(name) for name in table.columns) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def _escape(cell: object) -> str:
    return str(cell).translate(_LATEX)


def differences(condition: Condition, baseline: Condition) -> list[float]:
    """Return the differences of final trait accuracy, of the seeds that both have."""
    ours, theirs = condition.final(metrics.TRAIT_ACCURACY), baseline.final(metrics.TRAIT_ACCURACY)
    return [ours[seed] - theirs[seed] for seed in sorted(ours.keys() & theirs.keys())]
