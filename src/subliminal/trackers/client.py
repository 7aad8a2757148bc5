"""A run's files, told to W&B by its own client. No torch here: it is not needed beside training.

Every row has an explicit step, counted from the first row of the teacher. So a run that is
resumed, or uploaded after its server died, is given the rows that W&B lacks and no other.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl

from subliminal import metrics, store
from subliminal.trackers.note import INTERRUPTED, Note

Values = dict[str, float]
STEP = "step"
TEACHER_EPOCH = "teacher/epoch"
TABLES = ("epochs.parquet", "steps.parquet")  # in the order in which they are read
_OTHER = ("seed", "phase", "epoch", "step")  # columns that are no metrics
LONGEST_NAME = 128  # of a run or a group; W&B refuses longer ones
NO_ANSWER = "its server does not answer"

# Nothing of the machine, the console or the code is sent: provenance is in the config. The flush
# interval bounds what a kill -9 loses of an offline run.
LEAN: dict[str, Any] = {
    "console": "off",
    "x_disable_stats": True,
    "x_disable_meta": True,
    "x_disable_machine_info": True,
    "x_save_requirements": False,
    "x_transaction_log_flush_interval": 1.0,
    "disable_git": True,
    "disable_code": True,
    "save_code": False,
    "disable_job_creation": True,
    "silent": True,
    "symlink": False,
}


def short_name(name: str, digest: str, suffix: str = "") -> str:
    """Return `name` and `suffix`; a name that is too long for W&B is cut, and told by `digest`."""
    if len(name + suffix) <= LONGEST_NAME:
        return name + suffix
    return f"{name[: LONGEST_NAME - len(suffix) - len(digest) - 1]}-{digest}{suffix}"


def reason(error: BaseException) -> str:
    """Return the first line of what an error says."""
    return (str(error).splitlines() or [type(error).__name__])[0]


@dataclass(frozen=True)
class Tables:
    """What a run has measured so far, as W&B shows it."""

    teacher: list[Values]  # a row per epoch, with its axis
    student: list[tuple[int, Values]]  # a row per step: the step, and its values with their axis
    epochs: list[Values]  # the student's, for the summary


@dataclass
class Open:
    """A W&B run that is being told its rows."""

    run: Any
    online: bool
    first: int = 0  # the first step that W&B lacks
    defined: set[str] = field(default_factory=set)

    def log(self, tables: Tables, *, whole: bool) -> None:
        """Log the rows that W&B lacks; of tables that may grow, all but the last.

        The last step of an epoch gets the rest of its values as the next epoch begins.
        """
        rows = [(step, row, TEACHER_EPOCH) for step, row in enumerate(tables.teacher)]
        student = tables.student if whole else tables.student[:-1]
        rows += [(len(tables.teacher) + step, row, STEP) for step, row in student]
        for step, row, axis in rows:
            if step < self.first:
                continue
            for name in row.keys() - self.defined:
                if name == axis:
                    self.run.define_metric(name, hidden=True)
                else:
                    self.run.define_metric(name, step_metric=axis)
                self.defined.add(name)
            self.run.log(row, step=step)
            self.first = step + 1


def verify() -> None:
    """Ask the server whether it knows the user; raises where it does not, or does not answer."""
    import wandb

    try:
        wandb.login(prompt=False, verify=True)
    except wandb.Error as error:
        if "in time" in str(error):
            raise TimeoutError(NO_ANSWER) from error
        raise


def open_online(note: Note, experiment: Path, timeout: float, stop: Callable[[], None]) -> Open:
    """Begin a run of W&B, or resume it with what the server has of it.

    Args:
        note: of the run.
        experiment: the folder in which W&B keeps its own files.
        timeout: seconds to wait for the server.
        stop: called when a user presses W&B's Stop button.
    """
    settings = {"init_timeout": timeout, "stop_fn": stop}
    run = _init(note, experiment, settings, mode="online", resume="allow")
    return Open(run, online=True, first=run.starting_step)


def open_offline(note: Note, experiment: Path) -> Open:
    """Begin a run of W&B in a file of its own."""
    return Open(_init(note, experiment, {}, mode="offline"), online=False)


def _init(note: Note, experiment: Path, settings: dict[str, Any], **how: Any) -> Any:
    import wandb

    remove_local(experiment / "wandb", note.run_id)
    return wandb.init(
        project=note.project,
        entity=note.entity,
        dir=experiment,
        id=note.run_id,
        group=note.group,
        job_type="train",
        name=note.name,
        tags=note.tags,
        config=note.config,
        reinit="create_new",
        settings=wandb.Settings(**LEAN, **settings),
        **how,
    )


def keep(directory: Path, note: Note) -> None:
    """Keep a run that has ended offline, with all that its files hold."""
    kept = open_offline(note, directory.parents[1])
    close(kept, directory, note, whole=note.whole or store.finished(directory))


def close(told: Open, directory: Path, note: Note, *, whole: bool) -> None:
    """Tell the rest of what a run's files hold, and how it ended.

    Raises:
        RuntimeError: W&B did not get all of it.
    """
    tables = read_tables(directory)
    told.log(tables, whole=whole)
    if whole and tables.epochs:
        told.run.summary.update(summary(tables.epochs))
    finish(told.run, exit_code(directory, note))


def finish(run: Any, exit_code: int = 0) -> None:
    """End a run of W&B; once its server has all of it, mark its file for `wandb sync`.

    Raises:
        RuntimeError: the server has not. W&B's client does not say so, but writes it down.
    """
    run.finish(exit_code)
    if run.settings.mode != "online":
        return
    for line in Path(run.settings.log_internal).read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if str(entry.get("level")).startswith("ERROR"):
            raise RuntimeError(str(entry.get("msg")).splitlines()[-1])
    Path(f"{run.settings.sync_file}.synced").touch()


def read_tables(directory: Path) -> Tables:
    """Return what the tables of a run's folder hold; nothing where there are none."""
    if not all((directory / name).is_file() for name in TABLES):
        return Tables([], [], [])
    # At once: a training puts newer files in their place.
    epochs, steps = (pl.read_parquet(BytesIO((directory / name).read_bytes())) for name in TABLES)
    phases = {
        phase: [
            {"epoch": row["epoch"], **_metrics(row)}
            for row in epochs.filter(pl.col("phase") == phase).iter_rows(named=True)
        ]
        for phase in ("teacher", "student")
    }
    return Tables(
        [
            {TEACHER_EPOCH: row["epoch"], **{k: v for k, v in row.items() if k != "epoch"}}
            for row in phases["teacher"]
        ],
        [
            (row["step"], {STEP: row["step"], **_metrics(row)})
            for row in steps.iter_rows(named=True)
        ],
        phases["student"],
    )


def _metrics(row: dict[str, Any]) -> Values:
    return {k: v for k, v in row.items() if v is not None and k not in _OTHER}


def summary(epochs: list[Values]) -> Values:
    """Return what W&B's run table shows: accuracy, final and best; mean alignment per epoch."""
    accuracies = [row[metrics.TRAIT_ACCURACY] for row in epochs]
    shown = {
        metrics.final(metrics.TRAIT_ACCURACY): accuracies[-1],
        metrics.best(metrics.TRAIT_ACCURACY): max(accuracies),
    }
    if metrics.DISTILL_LOSS in epochs[-1]:
        shown[metrics.final(metrics.DISTILL_LOSS)] = epochs[-1][metrics.DISTILL_LOSS]
    for row in epochs:
        if metrics.ALIGNMENT in row:
            shown[metrics.in_epoch(metrics.ALIGNMENT, round(row["epoch"]))] = row[metrics.ALIGNMENT]
    return shown


def remove_local(folder: Path, run_id: str) -> None:
    """Remove the client's copies of a run that is about to be told anew, unless uploaded."""
    for pattern in (f"offline-run-*-{run_id}", f"run-*-{run_id}"):
        for old in folder.glob(pattern):
            if not any(old.glob("*.synced")):
                shutil.rmtree(old, ignore_errors=True)


def exit_code(directory: Path, note: Note) -> int:
    """Return how a run ended, one that was killed too."""
    if store.finished(directory):
        return 0
    if note.exit_code is not None:
        return note.exit_code
    return 1 if (directory / store.FAILURE).is_file() else INTERRUPTED
