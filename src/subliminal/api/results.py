"""Finished runs as Python objects and as frames."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import polars as pl

from subliminal import store
from subliminal.config.resources import user_path
from subliminal.errors import UserError
from subliminal.report import read
from subliminal.report.conditions import Sweep
from subliminal.store.tables import read_table

if TYPE_CHECKING:
    from subliminal.api.trained_network import TrainedNetwork
    from subliminal.data import Labelled


@dataclass(frozen=True)
class Run:
    """One finished run.

    Attributes:
        folder: the folder of its files.
        condition: the values of the keys that vary among the loaded runs, such as `liminal`.
        seed: of its initial weights, its noise and its batches.
    """

    folder: Path
    condition: str
    seed: int

    @cached_property
    def config(self) -> dict[str, Any]:
        """Its resolved config."""
        return store.read_config(self.folder)

    @cached_property
    def summary(self) -> dict[str, Any]:
        """The content of `summary.json`: results, versions, commit, device and times."""
        return store.read_summary(self.folder)

    @property
    def results(self) -> dict[str, Any]:
        """Its headline numbers by metric."""
        results: dict[str, Any] = self.summary["results"]
        return results

    @property
    def epochs(self) -> pl.DataFrame:
        """A row per epoch of teacher and student: means over the epoch, accuracy at its end."""
        return read_table(self.folder / "epochs.parquet")

    @property
    def steps(self) -> pl.DataFrame:
        """A row per step of the student: losses, alignment and other measurements."""
        return read_table(self.folder / "steps.parquet")

    def data(self) -> Labelled:
        """Return the labelled images of its teacher and trait, such as `test_x` and `test_y`."""
        from subliminal.api.trained_network import data

        return data(self.config, self.seed)

    def student(self) -> TrainedNetwork:
        """Return the trained student as a torch module on images, see `TrainedNetwork`."""
        from subliminal.api.trained_network import TrainedNetwork, rebuilt

        experiment = rebuilt(self.config)
        return TrainedNetwork(experiment.network, store.read_student(self.folder), experiment.data)

    def teacher(self) -> TrainedNetwork:
        """Return its teacher as a torch module on images.

        Raises:
            UserError: the teacher is no longer in `outputs/teachers`.
        """
        from subliminal.api.trained_network import teacher

        return teacher(self.folder, self.config)


@dataclass(frozen=True, repr=False)
class Runs(Sequence[Run]):
    """Finished runs, in the order of their report: the baseline first, then by what varies.

    Each frame has a column for every config key that varies (`mitigation`, `optim.lr`, …), named
    by the key, and `condition`, which names the values of all of them.
    """

    sweep: Sweep

    @cached_property
    def _runs(self) -> tuple[Run, ...]:
        return tuple(
            Run(store.run_dir(condition.directory, seed), condition.name, seed)
            for condition in self.sweep.conditions
            for seed in condition.seeds
        )

    @overload
    def __getitem__(self, index: int) -> Run: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Run, ...]: ...
    def __getitem__(self, index: int | slice) -> Run | tuple[Run, ...]:
        return self._runs[index]

    def __len__(self) -> int:
        return len(self._runs)

    def __repr__(self) -> str:
        counts = ", ".join(f"{c.name} ({len(c.seeds)})" for c in self.sweep.conditions)
        return f"<{len(self)} runs of {self.sweep.name}: {counts}>"

    def _repr_html_(self) -> str:
        return self.runs._repr_html_()

    @cached_property
    def runs(self) -> pl.DataFrame:
        """A row per run: what varies, seed, headline results, folder."""
        rows = [
            {
                "condition": condition.name,
                "seed": summary["seed"],
                **summary["results"],
                "experiment": summary["experiment"],
                "folder": str(store.run_dir(condition.directory, summary["seed"])),
            }
            for condition in self.sweep.conditions
            for summary in condition.summaries
        ]
        return self._with_settings(pl.DataFrame(rows, infer_schema_length=None))

    @cached_property
    def epochs(self) -> pl.DataFrame:
        """A row per run and epoch, of teacher and student (`phase`)."""
        return self._tables("epochs")

    @cached_property
    def steps(self) -> pl.DataFrame:
        """A row per run and step of the student, with every measurement."""
        return self._tables("steps")

    def _tables(self, name: str) -> pl.DataFrame:
        named = (getattr(run, name).with_columns(condition=pl.lit(run.condition)) for run in self)
        return self._with_settings(pl.concat(named, how="diagonal_relaxed"))

    def _with_settings(self, table: pl.DataFrame) -> pl.DataFrame:
        """Add the keys that vary as columns, after the condition."""
        names, conditions = ["condition", *self.sweep.swept], self.sweep.conditions
        values = {key: [c.config.get(key) for c in conditions] for key in self.sweep.swept}
        # Not strict: numbers and words in one column become words.
        settings = pl.DataFrame({"condition": [c.name for c in conditions], **values}, strict=False)
        joined = table.join(settings, on="condition", how="left", maintain_order="left")
        return joined.select(*names, pl.exclude(names))


def checked(runs: Runs, function: str) -> Runs:
    """Return the runs of a function's argument; raise a UserError for anything else."""
    if isinstance(runs, Runs):
        return runs
    needed = "runs of sl.train or sl.load are needed, whole: a slice is a tuple"
    raise UserError(f"{function}: {needed}; got a {type(runs).__name__}")


def load(*folders: str | Path) -> Runs:
    """Return the finished runs at or below folders of runs, conditions or experiments.

    Runs of several experiments are compared as those of one. Damaged runs are left out, with a
    warning that names them.

    Raises:
        UserError: there is no finished run below one of the folders.
    """
    if not folders or not all(isinstance(folder, str | Path) for folder in folders):
        raise UserError('load: folders are needed, as in sl.load("outputs/a", "outputs/b")')
    paths = [user_path(folder) for folder in folders]
    sweeps = read.load(paths)
    sweep = sweeps[0] if len(sweeps) == 1 else read.load(paths, together=True)[0]
    for problem in sweep.problems:
        warnings.warn(f"damaged and left out: {problem}", stacklevel=2)
    return Runs(sweep)
