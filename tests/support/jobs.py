"""Jobs of tests: run, watched, and made to fail."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from omegaconf import DictConfig
from resolved import train_config
from torch import Tensor

from subliminal import store
from subliminal.mitigations import Mitigation
from subliminal.state import Step
from subliminal.state.callbacks.progress import Event
from subliminal.sweep.console import Console, JobProgress


@dataclass(frozen=True)
class Fault(Mitigation):
    """A plugin that raises in the middle of the seeds that a test chooses."""

    seeds: ClassVar[set[int]] = set()

    def gradient(self, gradient: Tensor, step: Step) -> Tensor:
        if self.seeds.intersection(step.training.seeds) and step.index == 7:
            raise ArithmeticError("of\nthe test")
        return gradient


FAULT = "+mitigation.fault._target_=jobs.Fault"


@dataclass(frozen=True)
class KillsProcess(Mitigation):
    """A plugin that kills its process in the middle of some seeds: always, or the first time."""

    seeds: list[int]
    folder: str  # of notes on what was killed
    once: bool = True

    def gradient(self, gradient: Tensor, step: Step) -> Tensor:
        for seed in set(self.seeds).intersection(step.training.seeds):
            note = Path(self.folder) / f"killed-{seed}"
            if step.index == 7 and not (self.once and note.exists()):
                note.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return gradient


def kills_process(folder: Path, seeds: list[int], *, once: bool = True) -> str:
    values = f"_target_:jobs.KillsProcess,seeds:{seeds},folder:'{folder}',once:{once}"
    return f"+mitigation.killer={{{values}}}"


class RecordingConsole(Console):
    """A console that hands what it is shown to a test."""

    def __init__(
        self,
        event: Callable[[Event], None] = lambda _: None,
        done: Callable[[int], None] = lambda _: None,
        begin: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._event, self._done, self._begin = event, done, begin

    def say(self, line: str, *, once: bool = False) -> None:
        self.lines.append(line)

    @contextmanager
    def progress(self, title: str, seeds: int) -> Iterator[JobProgress]:
        self._begin()
        with super().progress(title, seeds) as shown:
            report, seeds_done = shown.report, shown.seeds_done

            def told(event: Event) -> None:
                report(event)
                self._event(event)

            def counted(number: int) -> None:
                seeds_done(number)
                self._done(number)

            shown.report, shown.seeds_done = told, counted  # type: ignore[method-assign]
            yield shown


def train(cfg: DictConfig, console: Console | None = None) -> list[Path]:
    return train_config(cfg, "condition", console or Console())


def finished(outputs: Path) -> list[int]:
    """The seeds with a summary, of the only condition."""
    return [int(run.name.removeprefix("seed-")) for run in store.finished_runs(outputs / "main")]
