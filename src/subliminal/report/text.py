"""The report on a terminal: a table of conditions with sparklines, and the claims' verdicts."""

import sys

import polars as pl
from rich.table import Table

from subliminal import metrics
from subliminal.config.terminal import console
from subliminal.report.conditions import QUICK, Sweep
from subliminal.report.declared import untested, verdicts
from subliminal.report.escape import minus
from subliminal.report.sparkline import sparkline
from subliminal.report.tables import OBJECTIVE, results

WIDTH = 150  # columns, when not on a terminal


def show(sweep: Sweep) -> None:
    """Print a sweep's conditions, one line each, the claims' verdicts, and the missing runs."""
    found = results(sweep.conditions)
    goals = [name for name in found.columns if name.startswith(OBJECTIVE)]
    # A search's objective takes the place of the alignment: the width is limited.
    aligned, several = "alignment" in found.columns and not goals, len(sweep.conditions) > 1
    table = Table()
    table.add_column("condition", overflow="fold")
    titles = ["n", "trait accuracy", "by epoch", *["paired difference"] * several]
    titles += ["alignment", "by epoch"] if aligned else []
    for title in (*titles, "distill loss ×10⁴", *goals):
        table.add_column(title, justify="left" if title == "by epoch" else "right", no_wrap=True)
    curves = {c.name: _means(c.epochs, metrics.ALIGNMENT) for c in sweep.conditions}
    highest = max((max(curve, default=0.0) for curve in curves.values()), default=0.0)
    for condition, row in zip(sweep.conditions, found.iter_rows(named=True), strict=True):
        n, planned = len(condition.seeds), len(condition.planned)
        cells = [
            condition.name,
            f"{n}/{planned}" if planned > n else str(n),
            row["trait accuracy"],
            sparkline(_means(condition.epochs, metrics.TRAIT_ACCURACY), low=0, high=1),
            *([row["paired difference"]] if several else []),
        ]
        if aligned:
            cells += [row["alignment"], sparkline(curves[condition.name], low=0, high=highest)]
        more = [row["distillation loss ×10⁴"], *(row[goal] for goal in goals)]
        table.add_row(*map(minus, cells), *more)
    shown = console(WIDTH)
    differences = f", differences to {sweep.baseline.name}" if several else ""
    quick = "" if sweep.decides else f". {QUICK}"
    shown.print(f"{sweep.name}: mean [95% CI] over seeds{differences}{quick}", soft_wrap=True)
    shown.print(table)
    claims = verdicts(sweep)
    if claims.height:
        table = Table(*claims.columns)
        for row_of_claim in claims.iter_rows():
            table.add_row(*map(minus, row_of_claim))
        shown.print(table)
    for line in (*filter(None, [untested(sweep)]), *sweep.incomplete()):
        shown.print(line, soft_wrap=True)
    sys.stdout.flush()


def _means(epochs: pl.DataFrame, metric: str) -> list[float]:
    if metric not in epochs.columns:
        return []
    means = epochs.group_by("epoch").agg(pl.col(metric).mean()).sort("epoch")
    return means[metric].drop_nulls().to_list()
