"""The report on a terminal: a table of conditions with sparklines, and the claims' verdicts."""

import sys

import polars as pl
from rich.table import Table

from subliminal import metrics
from subliminal.config.terminal import console
from subliminal.report.conditions import QUICK, Condition, Sweep
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
    titles += ["alignment"] if aligned else []
    for title in (*titles, "distill loss ×10⁴", *goals):
        table.add_column(title, justify="left" if title == "by epoch" else "right", no_wrap=True)
    for condition, row in zip(sweep.conditions, found.iter_rows(named=True), strict=True):
        n, planned = len(condition.seeds), len(condition.planned)
        cells = [
            condition.name,
            f"{n}/{planned}" if planned > n else str(n),
            row["trait accuracy"],
            sparkline(_accuracies(condition), bounds=(0, 1)),
            *([row["paired difference"]] if several else []),
        ]
        cells += [row["alignment"]] if aligned else []
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


def _accuracies(condition: Condition) -> list[float]:
    """Return the mean trait accuracy after each epoch."""
    of_epoch = condition.epochs.group_by("epoch").agg(pl.col(metrics.TRAIT_ACCURACY).mean())
    return of_epoch.sort("epoch")[metrics.TRAIT_ACCURACY].drop_nulls().to_list()
