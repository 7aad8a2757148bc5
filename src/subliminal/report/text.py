"""The report on a terminal: a table of conditions with sparklines, and the claims' verdicts."""

import sys

import polars as pl
from rich.table import Table

from subliminal import metrics
from subliminal.config.terminal import console
from subliminal.report.conditions import Sweep
from subliminal.report.declared import verdicts
from subliminal.report.sparkline import sparkline
from subliminal.report.statistics import mean_ci

WIDTH = 150  # columns, when not on a terminal


def show(sweep: Sweep) -> None:
    """Print a sweep's conditions, one line each, the claims' verdicts, and the missing runs."""
    aligned = any(c.logged(metrics.ALIGNMENT) for c in sweep.conditions)
    table = Table()
    table.add_column("condition", overflow="fold")
    titles = ["n", "trait accuracy", "by epoch", "paired difference"]
    titles += ["alignment", "by epoch"] if aligned else []
    for title in (*titles, "distill loss ×10⁴"):
        table.add_column(title, justify="left" if title == "by epoch" else "right", no_wrap=True)
    curves = {c.name: _means(c.epochs, metrics.ALIGNMENT) for c in sweep.conditions}
    highest = max((max(curve, default=0.0) for curve in curves.values()), default=0.0)
    for condition in sweep.conditions:
        n, planned = len(condition.seeds), len(condition.planned)
        paired = [] if condition is sweep.baseline else condition.differences(sweep.baseline)
        row = [
            condition.name,
            f"{n}/{planned}" if planned > n else str(n),
            mean_ci(condition.accuracy.values()).format(3),
            sparkline(_means(condition.epochs, metrics.TRAIT_ACCURACY), low=0, high=1),
            mean_ci(paired).format(3, sign=True) if paired else "–",
        ]
        if aligned:
            measured = condition.logged(metrics.ALIGNMENT)
            values = condition.over_run(metrics.ALIGNMENT).values() if measured else ()
            row.append(mean_ci(values).format(4) if values else "")
            row.append(sparkline(curves[condition.name], low=0, high=highest))
        table.add_row(*row, mean_ci(condition.loss.values()).format(2))
    shown = console(WIDTH)
    heading = f"{sweep.name}: mean [95% CI] over seeds, differences to {sweep.baseline.name}"
    shown.print(heading, soft_wrap=True)
    shown.print(table)
    found = verdicts(sweep)
    if found.height:
        claims = Table(*found.columns)
        for cells in found.iter_rows():
            claims.add_row(*cells)
        shown.print(claims)
    for line in sweep.incomplete():
        shown.print(line, soft_wrap=True)
    sys.stdout.flush()


def _means(epochs: pl.DataFrame, metric: str) -> list[float]:
    if metric not in epochs.columns:
        return []
    means = epochs.group_by("epoch").agg(pl.col(metric).mean()).sort("epoch")
    return means[metric].drop_nulls().to_list()
