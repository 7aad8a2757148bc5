"""The table at the end of a job: trait accuracy and alignment by epoch, over its seeds."""

import sys
from pathlib import Path
from statistics import fmean

import polars as pl
from rich.table import Table

from subliminal import metrics, store
from subliminal.config.terminal import console as terminal
from subliminal.errors import UserError
from subliminal.report.statistics import count, mean_ci
from subliminal.sweep.console import Console


def show(runs: list[Path], console: Console) -> None:
    """Print the results of a job's runs and where they are."""
    student = _students(runs)
    condition = store.read_summary(runs[0])["condition"]
    columns = {"trait accuracy": metrics.TRAIT_ACCURACY, "alignment": metrics.ALIGNMENT}
    columns = {title: name for title, name in columns.items() if name in student.columns}
    heading = f"{condition}: mean [95% CI] over {count(len(runs))}"
    table = Table()
    table.add_column("epoch", justify="right")
    for title in columns:
        table.add_column(title, justify="right")
    for (epoch,), rows in student.group_by("epoch", maintain_order=True):
        cells = []
        for name in columns.values():
            values = rows[name].drop_nulls().to_list()
            cells.append(mean_ci(values).format() if values else "")
        table.add_row(f"{epoch:.0f}", *cells)
    shown = terminal(100)
    shown.print(heading, soft_wrap=True)  # a table's own title wraps at its width
    shown.print(table)
    sys.stdout.flush()  # a sweep's log shows each job's table when it ends
    console.say(f"Files: {runs[0].parent}")


def objectives(runs: list[Path], names: list[str]) -> float | tuple[float, ...]:
    """Return metrics after the last epoch, means over a job's runs: one as a float, else a tuple.

    Raises:
        UserError: no run logged a metric of that name by epoch.
    """
    student = _students(runs)
    last = student.filter(pl.col("epoch") == student["epoch"].max())
    for name in names:
        if name not in last.columns or last[name].drop_nulls().is_empty():
            there = ", ".join(sorted(c for c in last.columns if "/" in c))
            raise UserError(f"objective: these runs have no {name}; they have {there}")
    values = tuple(fmean(last[name].drop_nulls()) for name in names)
    return values[0] if len(values) == 1 else values


def _students(runs: list[Path]) -> pl.DataFrame:
    """Return the students' rows of the runs' epoch tables, in order of epoch and seed."""
    tables = [pl.read_parquet(run / "epochs.parquet", glob=False) for run in runs]
    epochs = pl.concat(tables, how="diagonal_relaxed")
    return epochs.filter(pl.col("phase") == "student").sort("epoch", "seed")
