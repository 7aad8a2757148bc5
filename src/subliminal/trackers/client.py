"""A run's rows, sent by W&B's own client. Nothing here imports torch.

Every row has an explicit step, counted from the teacher's first row, so that only the rows that W&B
lacks are sent of a run that resumes or is uploaded after its server died.
"""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from subliminal import metrics
from subliminal.trackers.record import STOP, TrackingRecord

Values = dict[str, float]
STEP = "step"
TEACHER_EPOCH = "teacher/epoch"
TABLES = ("epochs.parquet", "steps.parquet")
_OTHER = ("seed", "phase", "epoch", "step")  # columns that are no metrics
LONGEST_NAME = 128  # characters; W&B refuses longer names of runs and groups

# The config holds the provenance, so nothing of the machine, the console or the code is sent.
# The flush interval bounds what a kill -9 loses of an offline run.
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
    """Return `name` and `suffix`, cut to what W&B accepts; `digest` keeps cut names distinct."""
    if len(name + suffix) <= LONGEST_NAME:
        return name + suffix
    return f"{name[: LONGEST_NAME - len(suffix) - len(digest) - 1]}-{digest}{suffix}"


@dataclass
class Session:
    """An open W&B run."""

    run: Any
    first: int = 0  # the first step that W&B lacks
    _defined: set[str] = field(default_factory=set)
    _logged: list[int] = field(default_factory=list)  # times of the tables at the last update

    def update(self, directory: Path, *, complete: bool) -> None:
        """Log the rows that W&B lacks; with `complete` tables, also the last row and the summary.

        The last row gets the rest of its values when the next epoch starts.
        """
        files = [path for name in TABLES if (path := directory / name).is_file()]
        state = [complete, *(path.stat().st_mtime_ns for path in files)]
        if state == self._logged:
            return
        rows, epochs = read_tables(directory)
        for step, (axis, row) in enumerate(rows if complete else rows[:-1]):
            if step < self.first:
                continue
            for name in row.keys() - self._defined:
                shown = {"hidden": True} if name == axis else {"step_metric": axis}
                self.run.define_metric(name, **shown)
                self._defined.add(name)
            self.run.log(row, step=step)
            self.first = step + 1
        if complete and epochs:
            self.run.summary.update(summary(epochs))
        self._logged = state


def verify() -> None:
    """Check the user's key with the server; raise an error if it is refused or unanswered."""
    import wandb

    wandb.login(prompt=False, verify=True)


def open_run(
    record: TrackingRecord, directory: Path, timeout: float, patience: float, *, online: bool
) -> Session:
    """Start a W&B run, or resume it at the first row that the server lacks.

    `timeout` and `patience` are the seconds to wait for the server at the start and at the end.
    W&B's Stop button makes a file in the run's `directory`. Not `online`: into an offline folder.
    """
    import wandb

    experiment = directory.parents[1]
    remove_local(experiment / "wandb", record.run_id)
    run = wandb.init(
        project=record.project,
        entity=record.entity,
        dir=experiment,
        id=record.run_id,
        group=record.group,
        job_type=record.job_type,
        name=record.name,
        tags=record.tags,
        notes=record.note,
        config=record.config,
        reinit="create_new",
        mode="online" if online else "offline",
        resume="allow" if online else None,
        settings=wandb.Settings(
            **LEAN,
            init_timeout=timeout,
            finish_timeout=patience,
            finish_timeout_raises=True,
            stop_fn=(directory / STOP).touch,
        ),
    )
    return Session(run, first=run.starting_step if online else 0)


def finish(run: Any, exit_code: int = 0) -> None:
    """End a W&B run; once the server has all of it, mark its file as synced for `wandb sync`.

    Raises:
        RuntimeError: the server lacks a part. W&B's client only logs such errors.
    """
    run.finish(exit_code)
    if run.settings.mode != "online":
        return
    for line in Path(run.settings.log_internal).read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if str(entry.get("level")).startswith("ERROR"):
            raise RuntimeError(str(entry.get("msg")).splitlines()[-1])
    Path(f"{run.settings.sync_file}.synced").touch()


def read_tables(directory: Path) -> tuple[list[tuple[str, Values]], list[Values]]:
    """Return a run's rows so far, and the student's epochs; nothing if a table is missing.

    The rows are in the order of their steps at W&B, each with the name of its axis: the teacher's
    epochs, then the student's steps.
    """
    import polars as pl  # `--help` imports this module, and needs no tables

    from subliminal.store.tables import read_table

    try:
        read = [read_table(directory / name) for name in TABLES]
    except FileNotFoundError:
        return [], []
    epochs, steps = read
    teacher, student = (
        [
            {axis: row["epoch"], **_metrics(row)}
            for row in epochs.filter(pl.col("phase") == phase).iter_rows(named=True)
        ]
        for phase, axis in (("teacher", TEACHER_EPOCH), ("student", "epoch"))
    )
    rows = [(TEACHER_EPOCH, row) for row in teacher]
    rows += [(STEP, {STEP: row[STEP], **_metrics(row)}) for row in steps.iter_rows(named=True)]
    return rows, student


def _metrics(row: dict[str, Any]) -> Values:
    return {k: v for k, v in row.items() if v is not None and k not in _OTHER}


def summary(epochs: list[Values]) -> Values:
    """Return W&B's summary: final and best accuracy, final loss, mean alignment per epoch."""
    accuracies = [row[metrics.TRAIT_ACCURACY] for row in epochs]
    shown = {
        metrics.final(metrics.TRAIT_ACCURACY): accuracies[-1],
        f"best/{metrics.TRAIT_ACCURACY}": max(accuracies),
    }
    if metrics.DISTILL_LOSS in epochs[-1]:
        shown[metrics.final(metrics.DISTILL_LOSS)] = epochs[-1][metrics.DISTILL_LOSS]
    for row in epochs:
        if metrics.ALIGNMENT in row:
            shown[metrics.in_epoch(metrics.ALIGNMENT, round(row["epoch"]))] = row[metrics.ALIGNMENT]
    return shown


def remove_local(folder: Path, run_id: str) -> None:
    """Remove the client's local copies of a run, except those marked as uploaded."""
    for old in folder.glob(f"*run-*-{run_id}"):  # offline-run-… or run-…
        if not any(old.glob("*.synced")):
            shutil.rmtree(old, ignore_errors=True)
