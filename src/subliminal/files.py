"""The files of a run directory, written by a callback as the student trains."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from omegaconf import OmegaConf
from polars.exceptions import PolarsError
from safetensors import SafetensorError
from safetensors.torch import save_file

from subliminal import metrics, store
from subliminal.callbacks import Callback
from subliminal.provenance import environment
from subliminal.tables import Values, epoch_rows, step_rows

if TYPE_CHECKING:
    from subliminal.loop import Training

# A full disk is an OSError to Python, and an error of its own to each library that writes.
WRITE_ERRORS = (OSError, PolarsError, SafetensorError)


@dataclass
class RunFiles(Callback):
    """Writes config, tables, student and summary of each seed of a stack; the summary last.

    A failed write in the middle of a run (a full disk, say) does not stop the training: it is
    noted, and everything is written again at the end. A seed whose last write fails, or whose loss
    is not finite, is not finished: it gets `failure.txt` in place of a summary.
    """

    directories: Mapping[int, Path]  # of each seed
    config: dict[str, Any]
    facts: dict[str, Any]  # condition, device, threads, … for the summary
    run_ids: Mapping[int, str]  # unique, of each seed's run
    teacher_rows: Mapping[int, list[Values]] = field(default_factory=dict)  # per seed, by epoch
    notes: list[str] = field(default_factory=list)  # what went wrong without ending the run
    failures: dict[int, str] = field(default_factory=dict)  # of each seed that did not finish
    _finished: set[int] = field(default_factory=set)

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Note the wall time of a phase, in seconds for the whole stack."""
        started = time.perf_counter()
        yield
        self.facts["seconds"][phase] = round(time.perf_counter() - started, 3)

    def on_train_start(self, training: Training) -> None:
        """Make the directories and write the configs."""
        self._started = time.perf_counter()
        for seed, directory in self.directories.items():
            directory.mkdir(parents=True, exist_ok=True)
            for old in (store.MARKER, store.FAILURE):  # of a run that is trained again
                (directory / old).unlink(missing_ok=True)
            config = {**self.config, "seed": {"spec": str(seed)}}
            store.write_text(directory / "config.yaml", OmegaConf.to_yaml(config))

    def on_epoch_end(self, training: Training) -> None:
        """Write the tables so far; a seed whose loss is no longer finite has failed."""
        for column, seed in enumerate(training.seeds):
            try:
                self._write_tables(training, column, self.directories[seed])
            except WRITE_ERRORS as error:
                reason = getattr(error, "strerror", None) or _one_line(error)
                self._note(f"seed {seed}: metrics not written after an epoch ({reason})")
            if not_finite := _not_finite(training, column):
                self.failures.setdefault(seed, not_finite)
        if len(self.failures) == len(training.seeds):
            raise FloatingPointError("; ".join(sorted(set(self.failures.values()))))

    def on_train_end(self, training: Training) -> None:
        """Write the tables, the student, and then the summary that marks the run finished."""
        self.facts["seconds"]["student"] = round(time.perf_counter() - self._started, 3)
        for column, seed in enumerate(training.seeds):
            if seed in self.failures:
                self._write_failure(seed, self.failures[seed] + "\n")
                continue
            try:
                self._write_run(training, column, self.directories[seed])
            except WRITE_ERRORS as error:
                self.failures[seed] = _one_line(error)
                self._write_failure(seed, _traceback(error))
            else:
                self._finished.add(seed)

    def on_failure(self, training: Training, error: BaseException) -> None:
        """Leave the traceback in each directory."""
        self.record(error)

    def record(self, error: BaseException) -> None:
        """Count the seeds that are not finished as failed, with the traceback in each directory."""
        for seed in self.directories.keys() - self._finished:
            earlier = self.failures.setdefault(seed, _one_line(error))
            same = earlier == _one_line(error)
            self._write_failure(seed, _traceback(error) if same else earlier + "\n")

    def _write_failure(self, seed: int, text: str) -> None:
        try:
            self.directories[seed].mkdir(parents=True, exist_ok=True)
            store.write_text(self.directories[seed] / store.FAILURE, text)
        except OSError as error:  # the failure is told at the end in any case
            self._note(f"seed {seed}: {store.FAILURE} not written ({error.strerror})")

    def _note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)

    def _write_run(self, training: Training, column: int, directory: Path) -> None:
        epochs = self._write_tables(training, column, directory)
        views = training.network.layout.views(training.theta)
        student = {name: view[column].cpu().contiguous() for name, view in views.items()}
        store.write_atomically(directory / "student.safetensors", partial(save_file, student))
        seed = training.seeds[column]
        summary = {
            "seed": seed,
            "run_id": self.run_ids[seed],
            **self.facts,
            "results": headline(epochs),
            "notes": self.notes,
            "environment": environment(),
        }
        store.write_text(directory / store.MARKER, json.dumps(summary, indent=2) + "\n")

    def _write_tables(self, training: Training, column: int, directory: Path) -> pl.DataFrame:
        seed = training.seeds[column]
        steps = pl.DataFrame(step_rows(training, column), infer_schema_length=None)
        teacher = [{"phase": "teacher", **row} for row in self.teacher_rows[seed]]
        student = [{"phase": "student", **row} for row in epoch_rows(training, column)]
        epochs = pl.DataFrame([*teacher, *student], infer_schema_length=None)
        for name, table in (("steps", steps), ("epochs", epochs)):
            seeded = table.insert_column(0, pl.lit(seed, dtype=pl.Int64).alias("seed"))
            store.write_atomically(directory / f"{name}.parquet", seeded.write_parquet)
        return epochs


def _traceback(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")


def headline(epochs: pl.DataFrame) -> dict[str, Any]:
    """Return the results of one seed that a reader looks for first, from its epoch table."""
    student = epochs.filter(pl.col("phase") == "student").sort("epoch")
    teacher = epochs.filter(pl.col("phase") == "teacher").sort("epoch")
    accuracies = student[metrics.TRAIT_ACCURACY]
    results: dict[str, Any] = {
        metrics.TEACHER_ACCURACY: teacher[metrics.TEACHER_ACCURACY][-1],
        metrics.TRAIT_ACCURACY: accuracies[-1],
        f"{metrics.TRAIT_ACCURACY}_best": accuracies.max(),
        metrics.DISTILL_LOSS: student[metrics.DISTILL_LOSS][-1],
    }
    if metrics.ALIGNMENT in student.columns:
        results[f"{metrics.ALIGNMENT}_by_epoch"] = student[metrics.ALIGNMENT][1:].to_list()
    return results


def _not_finite(training: Training, column: int) -> str | None:
    """Name the first step whose training loss is NaN or infinite, if there is one."""
    for row in training.metrics.sync():
        for name in (metrics.DISTILL_LOSS, metrics.TRAIN_LOSS):
            value = row.values.get(name)
            if value is not None and not np.isfinite(value[column]):
                return f"{name} is {value[column]} at step {row.step}"
    return None
