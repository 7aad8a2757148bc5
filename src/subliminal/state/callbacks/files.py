"""The files of a run directory, written by a callback as the student trains."""

import json
import time
import traceback
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from polars.exceptions import PolarsError
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from subliminal import metrics, store
from subliminal.state import Training
from subliminal.state.callbacks import Callback
from subliminal.state.tables import Values, epoch_rows, step_rows

BY_ITS_USER = "stopped by its user"

# A full disk is an OSError to Python, and an error of its own to each library that writes.
WRITE_ERRORS = (OSError, PolarsError, SafetensorError)


class Stopped(Exception):
    """All runs of a stack were stopped by their user; the job's other stacks keep training."""


def new_past() -> dict[str, Any]:
    """Return the past of a run that starts anew: its id, seconds of training, steps resumed at."""
    return {"run_id": uuid.uuid4().hex[:12], "seconds": 0.0, "resumed": []}


@dataclass
class RunFiles(Callback):
    """Writes config, tables, student and summary of each seed of a stack; the summary last.

    A write that fails in the middle of a run (a full disk, say) does not stop the training: it is
    noted, and everything is written again at the end. A seed whose last write fails, or that
    another callback counts as failed, gets `failure.txt` in place of a summary. A training that is
    stopped (Ctrl-C, `stop`) leaves neither: it resumes from its checkpoint.
    """

    directories: Mapping[int, Path]  # by seed, as all that follow
    config: str  # resolved, as YAML; all but the seed
    facts: dict[str, Any]  # condition, device, environment, … for the summary
    pasts: Mapping[int, dict[str, Any]]  # see `new_past`; a checkpoint holds a resumed run's
    teacher_rows: Mapping[int, list[Values]] = field(default_factory=dict)  # a row per epoch
    probes: Sequence[Callback] = ()  # those that may have a table
    notes: list[str] = field(default_factory=list)  # problems that did not end the run
    failures: dict[int, str] = field(default_factory=dict)  # why a seed did not finish
    _finished: set[int] = field(default_factory=set)

    def stop(self, seed: int) -> None:
        """Count a seed as stopped by its user; the others keep training.

        Raises:
            Stopped: there is no other.
        """
        self.failures.setdefault(seed, BY_ITS_USER)
        if self.failures.keys() >= self.directories.keys():
            raise Stopped(BY_ITS_USER)

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Note the wall time of a phase, in seconds for the whole stack."""
        started = time.perf_counter()
        yield
        self.facts["seconds"][phase] = round(time.perf_counter() - started, 3)

    def on_train_start(self, training: Training) -> None:
        for directory in self.directories.values():
            for old in (store.CHECKPOINT, *store.DATA):  # of an earlier run
                (directory / old).unlink(missing_ok=True)
        self.on_resume(training, {})

    def on_resume(self, training: Training, state: Mapping[str, Tensor]) -> None:
        """Do as at the start, but keep the checkpoints."""
        self._started = time.perf_counter()
        for seed, directory in self.directories.items():
            directory.mkdir(parents=True, exist_ok=True)
            for name in (*store.DATA, store.MARKER, store.CHECKPOINT, store.FAILURE):
                store.remove_stale_files(directory / name)  # left by a writer that was killed
            for old in (store.MARKER, store.FAILURE, store.POST_MORTEM):  # of an earlier try
                (directory / old).unlink(missing_ok=True)
            text = f"{self.config}seed:\n  spec: '{seed}'\n"
            store.write_text(directory / "config.yaml", text)

    def on_epoch_end(self, training: Training) -> None:
        for column, seed in enumerate(training.seeds):
            try:
                self._write_tables(training, column, self.directories[seed])
            except WRITE_ERRORS as error:
                reason = getattr(error, "strerror", None) or _one_line(error)
                self._note(f"seed {seed}: metrics not written after an epoch ({reason})")

    def on_train_end(self, training: Training) -> None:
        """Write the tables, the student, and then the summary that marks the run finished."""
        for column, seed in enumerate(training.seeds):
            if seed in self.failures:
                if self.failures[seed] != BY_ITS_USER:
                    self._write_failure(seed, self.failures[seed])
                continue
            try:
                self._write_run(training, column, self.directories[seed])
            except WRITE_ERRORS as error:
                self.failures[seed] = _one_line(error)
                self._write_failure(seed, error)
            else:
                self._finished.add(seed)

    def on_failure(self, training: Training, error: BaseException) -> None:
        """Write the traceback into each directory, and the rows up to a loss that is not finite."""
        if isinstance(error, FloatingPointError):
            self.on_epoch_end(training)
        self.record(error)

    def record(self, error: BaseException) -> None:
        """Count the seeds that are not finished as failed, with the traceback in each directory."""
        for seed in self.directories.keys() - self._finished:
            earlier = self.failures.setdefault(seed, _one_line(error))
            if isinstance(error, KeyboardInterrupt) or earlier == BY_ITS_USER:
                continue
            self._write_failure(seed, error if earlier == _one_line(error) else earlier)

    def _write_failure(self, seed: int, reason: str | BaseException) -> None:
        lines = [f"{reason}\n"] if isinstance(reason, str) else traceback.format_exception(reason)
        try:
            self.directories[seed].mkdir(parents=True, exist_ok=True)
            store.write_text(self.directories[seed] / store.FAILURE, "".join(lines))
        except OSError as error:  # the outcome tells the failure in any case
            self._note(f"seed {seed}: {store.FAILURE} not written ({error.strerror})")

    def _note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)

    def checkpoint_facts(self, seed: int) -> dict[str, Any]:
        """Return the past that a seed's checkpoint keeps: `new_past` with the time so far."""
        past = self.pasts[seed]
        seconds = round(past["seconds"] + time.perf_counter() - self._started, 3)
        return {**past, "seconds": seconds}

    def _write_run(self, training: Training, column: int, directory: Path) -> None:
        epochs = self._write_tables(training, column, directory)
        tables = [probe.table(training, column) for probe in self.probes]
        for name, columns in filter(None, tables):
            self._write_table(pl.DataFrame(columns), training.seeds[column], directory / name)
        views = training.network.layout.views(training.theta)
        student = {name: view[column].cpu().contiguous() for name, view in views.items()}
        store.write_atomically(directory / store.STUDENT, partial(save_file, student))
        seed = training.seeds[column]
        past = self.checkpoint_facts(seed)
        summary = {
            "seed": seed,
            "run_id": past["run_id"],
            **self.facts,
            "seconds": {**self.facts["seconds"], "student": past["seconds"]},
            "resumed": past["resumed"],
            "results": headline(epochs),
            "notes": self.notes,
            "sha256": store.checksums(directory),
        }
        store.write_text(directory / store.MARKER, json.dumps(summary, indent=2) + "\n")
        store.drop_checkpoint(directory)

    def _write_tables(self, training: Training, column: int, directory: Path) -> pl.DataFrame:
        seed = training.seeds[column]
        steps = pl.DataFrame(step_rows(training, column), infer_schema_length=None)
        teacher = [{"phase": "teacher", **row} for row in self.teacher_rows[seed]]
        student = [{"phase": "student", **row} for row in epoch_rows(training, column)]
        epochs = pl.DataFrame([*teacher, *student], infer_schema_length=None)
        for name, table in (("steps", steps), ("epochs", epochs)):
            self._write_table(table, seed, directory / f"{name}.parquet")
        return epochs

    def _write_table(self, table: pl.DataFrame, seed: int, path: Path) -> None:
        seeded = table.insert_column(0, pl.lit(seed, dtype=pl.Int64).alias("seed"))
        store.write_atomically(path, seeded.write_parquet)


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")


def headline(epochs: pl.DataFrame) -> dict[str, Any]:
    """Return one seed's main results from its epoch table."""
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
