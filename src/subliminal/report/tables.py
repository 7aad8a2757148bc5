"""The results of an experiment as rows of text: one per condition, mean [95% CI] over seeds."""

import polars as pl

from subliminal import metrics
from subliminal.report.runs import Condition
from subliminal.statistics import mean_ci


def results(conditions: list[Condition]) -> pl.DataFrame:
    """Return one row per condition; differences are paired by seed with the first condition."""
    baseline = conditions[0]
    rows = []
    for condition in conditions:
        row = {"condition": condition.name, "n": str(len(condition.seeds))}
        accuracy = condition.final(metrics.TRAIT_ACCURACY)
        row["trait accuracy"] = mean_ci(list(accuracy.values())).format(3)
        row["paired difference"] = _difference(condition, baseline, metrics.TRAIT_ACCURACY, 3)
        if metrics.ALIGNMENT in condition.steps.columns:
            alignment = condition.over_run(metrics.ALIGNMENT)
            row["alignment"] = mean_ci(list(alignment.values())).format(4)
            positive = condition.steps.group_by("seed").agg(
                (pl.col(metrics.ALIGNMENT) > 0).mean().alias("share")
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


def _difference(condition: Condition, baseline: Condition, metric: str, digits: int) -> str:
    if condition is baseline:
        return "–"
    ours, theirs = condition.final(metric), baseline.final(metric)
    paired = [ours[seed] - theirs[seed] for seed in sorted(ours.keys() & theirs.keys())]
    return mean_ci(paired).format(digits, sign=True) if paired else ""
