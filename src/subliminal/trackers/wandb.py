"""Weights & Biases: one run per seed, grouped by condition."""

import contextlib
import io
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from torch import Tensor

from subliminal import store
from subliminal.config.hashing import OneOf, Positive
from subliminal.errors import UserError
from subliminal.state import Step, Training
from subliminal.state.callbacks import Callback
from subliminal.trackers import RunInfo, aside, client, record, uploader_client

MODES = ("auto", "online", "offline")
# Values of WANDB_MODE that mean a mode of another name, and those that are modes.
_ALIASES = {"": "auto", "run": "online", "dryrun": "offline"}
_WANDB_MODES = ("online", "run", "offline", "dryrun", "disabled")
_NOT_IN_PROJECTS = '/\\#?%:"'
LOOK = 0.5  # seconds between two checks for a run's STOP file


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
                f"tracker.{key}={name}: use 1 to {client.LONGEST_NAME} characters, and none of "
                f"{_NOT_IN_PROJECTS}"
            )
        for tag in self.tags:
            if not 1 <= len(tag) <= record.LONGEST_TAG:
                raise UserError(f"tracker.tags={tag}: use 1 to {record.LONGEST_TAG} characters")

    def begin(
        self, todo: Sequence[Path], finished: Sequence[Path]
    ) -> tuple[dict[str, Any] | None, str | None]:
        """Settle the mode and start the uploads; return the command that uploads offline runs.

        A finished run that W&B lacks in part (the command was killed) is uploaded again.
        """
        records = {run: old for run in finished if (old := record.read(run)) is not None}
        rest = [run for run, old in records.items() if not old.settled]
        if not todo and not rest:
            return {}, None
        mode = settled_mode(self.mode)
        if mode == "disabled":
            return None, "WANDB_MODE=disabled: nothing is tracked."
        if mode == "offline":
            rest = [run for run in rest if not records[run].kept]
        runs = {run: record.written(run) for run in todo} | dict.fromkeys(rest, 0)
        uploader_client.follow(runs, self.finish_timeout, online=mode == "online")
        if mode == "online" or not todo:
            return {"mode": mode}, None
        how = f"wandb login; python -m subliminal sync {todo[0].parents[1]}"
        return {"mode": mode}, f"W&B runs are kept offline; upload them with: {how}"

    def callback(self, info: RunInfo) -> Callback:
        return _Records(self, info)


def settled_mode(mode: str) -> str:
    """Return the mode that is used: online, offline or disabled.

    `auto` means WANDB_MODE or, without it, online if the user is logged in.

    Raises:
        UserError: the mode is unknown, or online without a key.
    """
    if mode == "auto":
        named = os.environ.get("WANDB_MODE", "")
        if named not in ("", *_WANDB_MODES):
            raise UserError(f"WANDB_MODE={named}: one of {', '.join(_WANDB_MODES)}")
        mode = _ALIASES.get(named, named)
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
    """Return whether W&B finds the user's key; the server does not verify it.

    Raises:
        UserError: the key is malformed.
    """
    mode = os.environ.pop("WANDB_MODE", None)  # with it W&B would look for no key
    with contextlib.redirect_stderr(io.StringIO()):
        import wandb

        try:
            return bool(wandb.login(prompt=False, verify=False))
        except RuntimeError:  # no known home folder, and so no key in it
            return False
        except (wandb.Error, ValueError) as error:
            raise UserError(
                f"W&B's key: {aside.reason(error)} `wandb login --relogin` stores another, "
                "tracker.mode=offline needs none"
            ) from error
        finally:
            if mode is not None:
                os.environ["WANDB_MODE"] = mode


@dataclass
class _Records(Callback):
    """Writes each run's tracking record; the uploader reads all else from the run's files."""

    settings: WandB
    info: RunInfo
    looked: float = 0.0

    def on_resume(self, training: Training, state: Mapping[str, Tensor]) -> None:
        self.on_train_start(training)

    def on_train_start(self, training: Training) -> None:
        condition = self.info.config["condition"]
        for seed, directory in self.info.directories.items():
            (directory / record.STOP).unlink(missing_ok=True)
            store.remove_stale_files(directory / record.FILE)
            group = directory.parent.name
            record.TrackingRecord(
                run_id=self.info.run_ids[seed],
                project=self.settings.project,
                entity=self.settings.entity,
                mode=self.settings.mode,
                tags=list(self.settings.tags),
                group=group,
                name=client.short_name(condition, group.rpartition("-")[2], f" seed {seed}"),
                config={**self.info.config, "seed": seed},
            ).write(directory)

    def on_step(self, step: Step) -> None:
        now = time.monotonic()
        if now - self.looked < LOOK:
            return
        self.looked = now
        for seed, directory in self.info.directories.items():
            if (directory / record.STOP).exists():
                (directory / record.STOP).unlink(missing_ok=True)
                self.info.stop(seed)
