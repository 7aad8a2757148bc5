"""Weights & Biases: one run per seed, grouped by condition."""

from __future__ import annotations

import contextlib
import io
import os
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from subliminal import store
from subliminal.config.hashing import OneOf, Positive
from subliminal.errors import UserError
from subliminal.state import Step, Training
from subliminal.state.callbacks import Callback
from subliminal.trackers import RunInfo, client, following, note

if TYPE_CHECKING:
    from torch import Tensor

MODES = ("auto", "online", "offline")
# What W&B's users put into WANDB_MODE, and what it means here.
_WANDB_MODES = {
    "": "auto",
    "online": "online",
    "run": "online",
    "offline": "offline",
    "dryrun": "offline",
    "disabled": "disabled",
}
_NOT_IN_PROJECTS = '/\\#?%:"'
LONGEST_TAG = 64
LOOK = 0.5  # seconds between two looks whether a run is to be stopped


@dataclass(frozen=True, kw_only=True)
class WandB:
    """One W&B run per seed, with the condition as its group.

    Attributes:
        project: W&B project.
        entity: W&B user or team; None is the user's default.
        mode: online | offline | auto: online when the user is logged in.
        tags: tags of every run.
        finish_timeout: seconds > 0: the most that a command waits for W&B at its end.
    """

    project: str
    entity: str | None
    mode: Annotated[str, OneOf(MODES)]
    tags: list[str]
    finish_timeout: Positive[float]

    def __post_init__(self) -> None:
        named = {"project": self.project} | ({"entity": self.entity} if self.entity else {})
        for key, name in named.items():
            if 1 <= len(name) <= client.LONGEST_NAME and not set(name) & set(_NOT_IN_PROJECTS):
                continue
            raise UserError(
                f"tracker.{key}={name}: 1 to {client.LONGEST_NAME} characters are needed, and none "
                f"of {_NOT_IN_PROJECTS}"
            )
        for tag in self.tags:
            if not 1 <= len(tag) <= LONGEST_TAG:
                raise UserError(f"tracker.tags={tag}: 1 to {LONGEST_TAG} characters are needed")

    def begin(
        self, todo: Sequence[Path], finished: Sequence[Path]
    ) -> tuple[dict[str, Any] | None, str | None]:
        """Settle the mode, and follow the runs; tell where offline runs go and how to upload.

        A finished run that W&B was not told all of (the command was killed) is told again.
        """
        noted = {run: old for run in finished if (old := note.read(run)) is not None}
        rest = [run for run, old in noted.items() if not old.told]
        if not todo and not rest:
            return {}, None
        mode = settled_mode(self.mode)
        if mode == "disabled":
            return None, "WANDB_MODE=disabled: nothing is tracked."
        if mode == "offline":
            rest = [run for run in rest if not noted[run].kept]
        following.follow(todo, rest, self.finish_timeout, online=mode == "online")
        if mode == "online" or not todo:
            return {"mode": mode}, None
        how = f"wandb login; python -m subliminal.sync {todo[0].parents[1]}"
        return {"mode": mode}, f"W&B runs are kept offline; upload them with: {how}"

    def callback(self, info: RunInfo) -> Callback:
        """Return the callback that notes how far the runs of a stack are."""
        return _Notes(self, info)


def settled_mode(mode: str) -> str:
    """Return online, offline or disabled: what a mode of the config comes to.

    `auto` leaves it to WANDB_MODE, and that, if it is not set, to whether the user is logged in.

    Raises:
        UserError: W&B cannot be used as asked.
    """
    if mode == "auto":
        named = os.environ.get("WANDB_MODE", "")
        if named not in _WANDB_MODES:
            known = ", ".join(name for name in _WANDB_MODES if name)
            raise UserError(f"WANDB_MODE={named}: one of {known}")
        mode = _WANDB_MODES[named]
    if mode in ("offline", "disabled"):
        return mode
    if logged_in():
        return "online"
    if mode == "online":
        raise UserError(
            "tracker.mode=online: W&B finds no key; `wandb login` stores one, "
            "tracker.mode=offline needs none"
        )
    return "offline"


def logged_in() -> bool:
    """Tell whether W&B finds a key of the user's; it is not asked to verify it.

    Raises:
        UserError: there is one that can be none.
    """
    with _no_mode(), contextlib.redirect_stderr(io.StringIO()):
        import wandb

        try:
            return bool(wandb.login(prompt=False, verify=False))
        except RuntimeError:  # no home folder that is known, and so no key in it
            return False
        except (wandb.Error, ValueError) as error:
            raise UserError(
                f"W&B's key: {client.reason(error)} `wandb login --relogin` stores another, "
                "tracker.mode=offline needs none"
            ) from error


@contextlib.contextmanager
def _no_mode() -> Iterator[None]:
    """Let W&B look for a key whatever WANDB_MODE says."""
    mode = os.environ.pop("WANDB_MODE", None)
    try:
        yield
    finally:
        if mode is not None:
            os.environ["WANDB_MODE"] = mode


@dataclass
class _Notes(Callback):
    """Notes in each run's folder what W&B is to be told; another process tells it."""

    settings: WandB
    info: RunInfo
    session: str = field(default_factory=lambda: uuid.uuid4().hex)
    looked: float = 0.0

    def on_train_start(self, training: Training) -> None:
        self._begin()

    def on_resume(self, training: Training, state: Mapping[str, Tensor]) -> None:
        self._begin()

    def _begin(self) -> None:
        for seed, directory in self.info.directories.items():
            (directory / note.STOP).unlink(missing_ok=True)
            self._note(seed).write(directory)

    def _note(self, seed: int) -> note.Note:
        group = self.info.directories[seed].parent.name
        condition = self.info.config["condition"]
        return note.Note(
            session=self.session,
            command=note.command(),
            run_id=self.info.run_ids[seed],
            project=self.settings.project,
            entity=self.settings.entity,
            mode=self.settings.mode,
            tags=list(self.settings.tags),
            group=group,
            name=client.short_name(condition, group.rpartition("-")[2], f" seed {seed}"),
            config={**self.info.config, "seed": seed},
        )

    def on_step(self, step: Step) -> None:
        now = time.monotonic()
        if now - self.looked < LOOK:
            return
        self.looked = now
        for seed, directory in self.info.directories.items():
            if (directory / note.STOP).exists():
                self.info.stop(seed)

    def on_train_end(self, training: Training) -> None:
        self._end(interrupted=False)

    def on_failure(self, training: Training, error: BaseException) -> None:
        # A loss that is not finite comes again: the rows up to it are what they will be.
        self._end(interrupted=not isinstance(error, FloatingPointError))

    def _end(self, *, interrupted: bool) -> None:
        for seed, directory in self.info.directories.items():
            failed = (directory / store.FAILURE).is_file()
            stopped = (directory / note.STOP).exists()
            code = 0 if store.finished(directory) else 1 if failed else note.INTERRUPTED
            (directory / note.STOP).unlink(missing_ok=True)
            whole = code == 0 or not (interrupted or stopped)
            with contextlib.suppress(OSError):  # the run's own files tell how it ended
                self._note(seed).but(exit_code=code, whole=whole).write(directory)
