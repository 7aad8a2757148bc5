"""The results of an experiment as rows of text: one per condition, mean [95% CI] over seeds."""

import numpy as np
import polars as pl

from subliminal import metrics
from subliminal.report.runs import Condition
from subliminal.statistics import format_effect, holm, mean_ci, paired_p


def results(conditions: list[Condition]) -> pl.DataFrame:
    """Return one row per condition.

    Differences are paired by seed with the first condition; p is of a sign-flip permutation test,
    adjusted by Holm's procedure for the conditions shown, d_z the mean difference over its SD.
    """
    baseline = conditions[0]
    differences = {c.name: _differences(c, baseline) for c in conditions[1:]}
    tested = {name: values for name, values in differences.items() if len(values) > 1}
    p_values = dict(zip(tested, holm([paired_p(v) for v in tested.values()]), strict=True))
    rows = []
    for condition in conditions:
        row = {"condition": condition.name, "n": str(len(condition.seeds))}
        accuracy = condition.final(metrics.TRAIT_ACCURACY)
        row["trait accuracy"] = mean_ci(list(accuracy.values())).format(3)
        row["SD"] = f"{np.std(list(accuracy.values()), ddof=1):.3f}" if len(accuracy) > 1 else ""
        paired = differences.get(condition.name)
        row["paired difference"] = mean_ci(paired).format(3, sign=True) if paired else "–"
        row["d_z"] = format_effect(paired) if paired else ""
        row["p (Holm)"] = f"{p_values[condition.name]:.1g}" if condition.name in tested else ""
        if metrics.ALIGNMENT in condition.steps.columns:
            alignment = condition.over_run(metrics.ALIGNMENT)
            row["alignment"] = mean_ci(list(alignment.values())).format(4)
            positive = (
                condition.steps.group_by("seed")
                .agg((pl.col(metrics.ALIGNMENT) > 0).mean().alias("share"))
                .sort("seed")
            )
            row["positive steps"] = mean_ci(positive["share"].to_list()).format(2)
        loss = condition.final(metrics.DISTILL_LOSS)
        row["distillation loss ×10⁴"] = mean_ci([1e4 * v for v in loss.values()]).format(2)
        rows.append(row)
    return pl.DataFrame(rows, infer_schema_length=None).fill_null("")


def by_epoch(conditions: list[Condition], metric: str, digits: int) -> pl.DataFrame:
    """Return one row per epoch, one column per condition."""
    columns: dict[str, dict[float, str]] = {}
    for condition in conditions:
        if metric not in condition.epochs.columns:
            continue
        cells: dict[float, str] = {}
        known = condition.epochs.filter(pl.col(metric).is_not_null())
        for (epoch,), rows in known.group_by("epoch", maintain_order=True):
            cells[float(str(epoch))] = mean_ci(rows[metric].to_list()).format(digits)
        columns[condition.name] = cells
    epochs = sorted({epoch for cells in columns.values() for epoch in cells})
    table: dict[str, list[str]] = {"epoch": [f"{epoch:.0f}" for epoch in epochs]}
    for name, cells in columns.items():
        table[name] = [cells.get(epoch, "") for epoch in epochs]
    return pl.DataFrame(table)


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


def teacher_accuracy(conditions: list[Condition]) -> str:
    """Return the teachers' final test accuracy, each seed counted once."""
    final: dict[int, float] = {}
    for condition in conditions:
        last = condition.teacher.filter(pl.col("epoch") == condition.teacher["epoch"].max())
        final |= dict(zip(last["seed"], last[metrics.TEACHER_ACCURACY], strict=True))
    return mean_ci(list(final.values())).format(3)


def markdown(table: pl.DataFrame) -> str:
    """Return a table of text in Markdown."""
    lines = [table.columns, ["---"] * len(table.columns), *table.iter_rows()]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _differences(condition: Condition, baseline: Condition) -> list[float]:
    ours, theirs = condition.final(metrics.TRAIT_ACCURACY), baseline.final(metrics.TRAIT_ACCURACY)
    return [ours[seed] - theirs[seed] for seed in sorted(ours.keys() & theirs.keys())]
