"""Results at the end of a job and of a sweep: tables, a search's objectives, the demo's figure."""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import polars as pl
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from subliminal import metrics, store
from subliminal.config import terminal
from subliminal.errors import UserError
from subliminal.store.tables import read_table

if TYPE_CHECKING:  # Hydra imports this module at the start of a command
    from subliminal.sweep.console import Console


def show_job(runs: list[Path], console: Console) -> None:
    """Print trait accuracy and alignment by epoch, over a job's seeds, and where the files are."""
    from rich.table import Table

    from subliminal.report.conditions import QUICK
    from subliminal.report.escape import minus
    from subliminal.report.statistics import count, mean_ci

    students = _students(runs)
    titles = {metrics.TRAIT_ACCURACY: "trait accuracy", metrics.ALIGNMENT: "alignment"}
    shown = [metric for metric in titles if metric in students.columns]
    table = Table()
    for title in ("epoch", *(titles[metric] for metric in shown)):
        table.add_column(title, justify="right")
    for (epoch,), rows in students.group_by("epoch", maintain_order=True):
        samples = [rows[metric].drop_nulls().to_list() for metric in shown]
        table.add_row(f"{epoch:.0f}", *(minus(mean_ci(s).format()) if s else "" for s in samples))
    condition = store.read_summary(runs[0])["condition"]
    out = terminal.console(100)
    # A table's own title would wrap at the table's width.
    config = store.read_condition(runs[0].parent).get("config", {})
    quick = f". {QUICK}" if config.get("preset") == "quick" else ""
    out.print(f"{condition}: mean [95% CI] over {count(len(runs))}{quick}", soft_wrap=True)
    out.print(table)
    sys.stdout.flush()  # a sweep's log shows each job's table when it ends
    console.say(f"Files: {runs[0].parent}")


def objectives(runs: list[Path], names: list[str]) -> float | tuple[float, ...]:
    """Return metrics after the last epoch, means over a job's runs: one as a float, else a tuple.

    Raises:
        UserError: no run logged a metric of that name by epoch.
    """
    students = _students(runs)
    last = students.filter(pl.col("epoch") == students["epoch"].max())
    for name in names:
        if name not in last.columns or last[name].drop_nulls().is_empty():
            there = ", ".join(sorted(c for c in last.columns if "/" in c))
            raise UserError(f"objective: these runs have no {name}; they have {there}")
    values = tuple(fmean(last[name].drop_nulls()) for name in names)
    return values[0] if len(values) == 1 else values


def _students(runs: list[Path]) -> pl.DataFrame:
    """Return the students' rows of the runs' epoch tables, in order of epoch and seed."""
    tables = [read_table(run / "epochs.parquet") for run in runs]
    epochs = pl.concat(tables, how="diagonal_relaxed")
    return epochs.filter(pl.col("phase") == "student").sort("epoch", "seed")


class ShowSweep(Callback):
    """Hydra callback that prints the table of `python -m subliminal.report --text` after a sweep.

    Args:
        bars: also draw teacher, students and chance, and print the figure's path.
    """

    def __init__(self, bars: bool = False) -> None:
        self._bars = bars

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Print the table of the sweep's experiment, if it has several conditions."""
        from subliminal.report import text
        from subliminal.report.read import load

        folder = Path(config.outputs) / str(config.name)
        try:  # the folder may hold other experiments too
            sweep = next(sweep for sweep in load([folder]) if sweep.directory == folder)
        except (UserError, StopIteration):  # no run finished: each job printed why
            return
        if len(sweep.conditions) > 1:
            text.show(sweep)
            print(f"Figures, tables and a page: python -m subliminal.report {folder}")
        if self._bars:
            from subliminal.report import figures
            from subliminal.report.figures import bars

            path = figures.save(figures.first_look(sweep), sweep, folder / "report" / "figures")
            print(terminal.printable(bars.seen(sweep)))
            print(f"Figure: {terminal.printable(path)}")
