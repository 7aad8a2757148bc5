"""Weights & Biases: one run per seed, grouped by condition."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from subliminal import metrics
from subliminal.callbacks import Callback
from subliminal.errors import UserError
from subliminal.state import Training
from subliminal.state.tables import Values, epoch_rows
from subliminal.trackers import RunInfo

if TYPE_CHECKING:
    from torch import Tensor

MODES = ("auto", "online", "offline")
STEP = "step"
TEACHER_EPOCH = "teacher/epoch"


@dataclass(frozen=True, kw_only=True)
class WandB:
    """One W&B run per seed, with the condition as its group.

    Attributes:
        project: W&B project.
        entity: W&B user or team; None is the user's default.
        mode: online | offline | auto: online when the user is logged in.
        tags: tags of every run.
    """

    project: str
    entity: str | None
    mode: str
    tags: list[str]

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise UserError(f"tracker.mode={self.mode}: one of {', '.join(MODES)}")

    def resolve(self, directory: Path) -> tuple[dict[str, Any], str | None]:
        """Settle the mode; tell the user where offline runs go and how to upload them."""
        mode = self.mode if self.mode != "auto" else os.environ.get("WANDB_MODE", "auto")
        if mode == "auto":
            mode = "online" if logged_in() else "offline"
        if mode != "offline":
            return {"mode": mode}, None
        folder = directory / "wandb"
        line = f"W&B runs are kept offline; upload them with: wandb sync {folder}"
        return {"mode": mode}, line

    def callback(self, info: RunInfo) -> Callback:
        """Return the callback that tracks the seeds of a stack."""
        return _Runs(self, info)


def logged_in() -> bool:
    """Tell whether W&B finds a key of the user's; it is not asked to verify it."""
    import wandb

    return bool(wandb.login(prompt=False, verify=False))


@dataclass
class _Runs(Callback):
    """The W&B runs of a stack of seeds.

    W&B never stops a training: at its first failure tracking ends, and the failure is noted.
    """

    settings: WandB
    info: RunInfo
    runs: list[Any] = field(default_factory=list)  # one per seed, in the order of the stack
    written: int = 0  # rows of the metrics already logged

    def on_train_start(self, training: Training) -> None:
        self._guard(self._open)

    def on_resume(self, training: Training, state: Mapping[str, Tensor]) -> None:
        # The run starts again under its id and gets every row anew, those of before too: W&B
        # overwrites a run of the same id, so there are no double points, online or offline.
        self._guard(self._open)

    def on_epoch_end(self, training: Training) -> None:
        self._guard(lambda: self._log(training))

    def on_train_end(self, training: Training) -> None:
        self._guard(lambda: self._close(training))

    def on_failure(self, training: Training, error: BaseException) -> None:
        self._guard(lambda: [run.finish(exit_code=1) for run in self.runs])

    def _guard(self, action: Callable[[], object]) -> None:
        if any(note.startswith("W&B") for note in self.info.notes):
            return
        try:
            action()
        except Exception as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            self.info.notes.append(f"W&B failed, the files are complete without it: {reason}")

    def _open(self) -> None:
        import wandb

        self.info.directory.mkdir(parents=True, exist_ok=True)
        for seed in self.info.seeds:
            remove_offline(self.info.directory / "wandb", self.info.run_ids[seed])
            run = wandb.init(
                project=self.settings.project,
                entity=self.settings.entity,
                dir=self.info.directory,
                id=self.info.run_ids[seed],
                group=self.info.group,
                job_type="train",
                name=f"{self.info.config['condition']} seed {seed}",
                tags=list(self.settings.tags),
                config={**self.info.config, "seed": seed},
                mode=cast(Literal["online", "offline"], self.settings.mode),
                reinit="create_new",
                settings=wandb.Settings(**LEAN),
            )
            run.define_metric(STEP, hidden=True)
            run.define_metric(TEACHER_EPOCH, hidden=True)
            self.runs.append(run)
            defined: set[str] = set()
            for row in self.info.teacher_rows[seed]:
                values = {k: v for k, v in row.items() if k not in ("epoch", "step")}
                _define(run, values, TEACHER_EPOCH, defined)
                run.log({TEACHER_EPOCH: row["epoch"], **values})

    def _log(self, training: Training) -> None:
        rows = training.metrics.sync()
        for column, run in enumerate(self.runs):
            defined: set[str] = set()
            for row in rows[self.written :]:
                values = {name: float(stack[column]) for name, stack in row.values.items()}
                _define(run, values, STEP, defined)
                run.log({STEP: row.step, **values})
        self.written = len(rows)

    def _close(self, training: Training) -> None:
        for column, run in enumerate(self.runs):
            epochs = epoch_rows(training, column)
            run.summary.update(summary(epochs))
            diverged = not math.isfinite(epochs[-1][metrics.DISTILL_LOSS])
            run.finish(exit_code=int(diverged))


def summary(epochs: list[Values]) -> Values:
    """Return what W&B's run table shows: accuracy, final and best; mean alignment per epoch."""
    accuracies = [row[metrics.TRAIT_ACCURACY] for row in epochs]
    shown = {
        metrics.final(metrics.TRAIT_ACCURACY): accuracies[-1],
        metrics.best(metrics.TRAIT_ACCURACY): max(accuracies),
        metrics.final(metrics.DISTILL_LOSS): epochs[-1][metrics.DISTILL_LOSS],
    }
    for row in epochs:
        if metrics.ALIGNMENT in row:
            shown[metrics.in_epoch(metrics.ALIGNMENT, round(row["epoch"]))] = row[metrics.ALIGNMENT]
    return shown


def remove_offline(folder: Path, run_id: str) -> None:
    """Remove what a run left offline that is about to be logged anew, unless it was uploaded."""
    for old in folder.glob(f"offline-run-*-{run_id}"):
        if not any(old.glob("*.synced")):
            shutil.rmtree(old)


def _define(run: Any, values: Values, axis: str, defined: set[str]) -> None:
    for name in values.keys() - defined:
        run.define_metric(name, step_metric=axis)
        defined.add(name)


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
    "init_timeout": 60.0,
}
