"""Lines and progress bars that a user sees while a job runs."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from rich import progress

from subliminal.config.terminal import console, printable
from subliminal.state.callbacks.progress import Event

# Seconds between lines of a job's progress, where standard error is no terminal and shows no bar.
LINE_EVERY = 30.0


class Console:
    """Writes to standard error, so that standard output holds results alone."""

    _said: ClassVar[set[str]] = set()

    def __init__(self) -> None:
        self.rich = console(stderr=True)

    def say(self, line: str, *, once: bool = False) -> None:
        """Print one line; with `once`, no second time in this process."""
        if once and line in self._said:
            return
        self._said.add(line)
        self.rich.print(line, soft_wrap=True)

    @contextmanager
    def progress(self, title: str, seeds: int) -> Iterator["JobProgress"]:
        """Show the progress of a job of `seeds` seeds during a block."""
        bar = progress.Progress(
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(),
            progress.TextColumn("{task.fields[detail]}", markup=False),
            progress.TimeElapsedColumn(),
            progress.TimeRemainingColumn(),
            console=self.rich,
            disable=not sys.stderr.isatty(),
            transient=True,
        )
        with bar:
            yield JobProgress(bar, printable(title), seeds)


class JobProgress:
    """A bar for the job (in seeds), and one for each stack that trains (in steps)."""

    def __init__(self, bar: progress.Progress, title: str, seeds: int) -> None:
        self._bar, self._title, self._printed = bar, title, time.monotonic()
        self._job = bar.add_task(title, total=seeds, detail=f"0/{seeds} seeds")
        self._stacks: dict[tuple[int, ...], progress.TaskID] = {}
        self._done, self._seeds = 0, seeds

    def report(self, event: Event) -> None:
        """Show an event of a stack."""
        first, last = event.seeds[0], event.seeds[-1]
        label = f"seed {first}" if first == last else f"seeds {first}…{last}"
        if event.seeds not in self._stacks:
            self._stacks[event.seeds] = self._bar.add_task(f"  {label}", total=1, detail="")
        task = self._stacks[event.seeds]
        detail = f"{event.phase} step {event.step}/{event.steps}"
        self._bar.update(task, completed=event.step, total=event.steps, detail=detail)
        if self._bar.disable and time.monotonic() - self._printed >= LINE_EVERY:
            self._printed = time.monotonic()
            line = f"{self._title}: {self._done}/{self._seeds} seeds done, {label} at {detail}"
            self._bar.console.print(line, soft_wrap=True)
        if event.phase == "student" and event.step == event.steps:
            self._bar.remove_task(self._stacks.pop(event.seeds))

    def seeds_done(self, number: int) -> None:
        """Count seeds that ended."""
        self._done += number
        detail = f"{self._done}/{self._seeds} seeds"
        self._bar.update(self._job, completed=self._done, detail=detail)
