"""The table at the end of a job: trait accuracy and alignment by epoch, over its seeds."""

import sys
from pathlib import Path

import polars as pl
from rich.console import Console as RichConsole
from rich.table import Table

from subliminal import metrics, store
from subliminal.console import Console
from subliminal.statistics import count, mean_ci


def show(runs: list[Path], console: Console) -> float:
    """Print the results of a job's runs and where they are; return the mean final accuracy."""
    epochs = pl.concat(
        [pl.read_parquet(run / "epochs.parquet", glob=False) for run in runs],
        how="diagonal_relaxed",
    )
    student = epochs.filter(pl.col("phase") == "student").sort("epoch", "seed")
    condition = store.read_summary(runs[0])["condition"]
    columns = {"trait accuracy": metrics.TRAIT_ACCURACY, "alignment": metrics.ALIGNMENT}
    columns = {title: name for title, name in columns.items() if name in student.columns}
    heading = f"{condition}: mean [95% CI] over {count(len(runs))}"
    table = Table()
    table.add_column("epoch", justify="right")
    for title in columns:
        table.add_column(title, justify="right")
    final = 0.0
    for (epoch,), rows in student.group_by("epoch", maintain_order=True):
        cells = []
        for name in columns.values():
            values = rows[name].drop_nulls().to_list()
            cells.append(mean_ci(values).format() if values else "")
        table.add_row(f"{epoch:.0f}", *cells)
        final = float(rows[metrics.TRAIT_ACCURACY].mean() or 0.0)  # type: ignore[arg-type]
    shown = RichConsole(width=None if sys.stdout.isatty() else 100, highlight=False)
    shown.print(heading, markup=False, soft_wrap=True)  # a table's own title wraps at its width
    shown.print(table)
    sys.stdout.flush()  # a sweep's log shows each job's table when it ends
    console.say(f"Files: {runs[0].parent}")
    return final
