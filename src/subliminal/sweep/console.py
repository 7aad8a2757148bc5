"""What the user sees while a job runs: lines, and a progress bar on a terminal."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar, TypeVar

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from subliminal.config.terminal import console, printable
from subliminal.state.callbacks.progress import Event

T = TypeVar("T")

PATIENCE, TELL_EVERY = 1.0, 10.0  # seconds without a word at first, and later
LINE_EVERY = 30.0  # seconds between two lines of a job's progress in a notebook or a log


class Console:
    """Lines go to standard error, so that standard output holds results alone."""

    _said: ClassVar[set[str]] = set()

    def __init__(self) -> None:
        self.rich = console(stderr=True)

    def say(self, line: str, *, once: bool = False) -> None:
        """Tell the user one line; `once`: not again in another job of this process."""
        if once and line in self._said:
            return
        self._said.add(line)
        self.rich.print(line, soft_wrap=True)

    def counted(self, items: Sequence[T], what: str) -> Iterator[T]:
        """Yield the items and show how far that is: a bar, or now and then a line."""
        told = time.monotonic() - TELL_EVERY + PATIENCE
        columns = (TextColumn(what), BarColumn(), MofNCompleteColumn())
        on_terminal = sys.stderr.isatty()
        with Progress(*columns, console=self.rich, disable=not on_terminal, transient=True) as bar:
            task = bar.add_task("", total=len(items))
            for number, item in enumerate(items):
                if not on_terminal and time.monotonic() - told >= TELL_EVERY:
                    told = time.monotonic()
                    self.say(f"{what}: {number} of {len(items)}")
                yield item
                bar.advance(task)

    @contextmanager
    def progress(self, title: str, seeds: int) -> Iterator["JobProgress"]:
        """Show a progress bar for `seeds` seeds; now and then a line when not on a terminal."""
        bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[detail]}", markup=False),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self.rich,
            disable=not sys.stderr.isatty(),
            transient=True,
        )
        with bar:
            yield JobProgress(bar, printable(title), seeds)


class JobProgress:
    """One bar for the job (in seeds), one for each stack in flight (in steps)."""

    def __init__(self, bar: Progress, title: str, seeds: int) -> None:
        self._bar, self._title, self._written = bar, title, time.monotonic()
        self._job = bar.add_task(title, total=seeds, detail=f"0/{seeds} seeds")
        self._stacks: dict[tuple[int, ...], TaskID] = {}
        self._done, self._seeds = 0, seeds

    def report(self, event: Event) -> None:
        """Show how far a stack has come."""
        label = _label(event.seeds)
        if event.seeds not in self._stacks:
            self._stacks[event.seeds] = self._bar.add_task(f"  {label}", total=1, detail="")
        task = self._stacks[event.seeds]
        detail = f"{event.phase} step {event.step}/{event.steps}"
        self._bar.update(task, completed=event.step, total=event.steps, detail=detail)
        if self._bar.disable and time.monotonic() - self._written >= LINE_EVERY:
            self._written = time.monotonic()
            line = (
                f"{self._title}: {self._done}/{self._seeds} seeds done, {label.strip()} at {detail}"
            )
            self._bar.console.print(line, soft_wrap=True)
        if event.phase == "student" and event.step == event.steps:
            self._bar.remove_task(self._stacks.pop(event.seeds))

    def seeds_done(self, number: int) -> None:
        """Count seeds that ended."""
        self._done += number
        detail = f"{self._done}/{self._seeds} seeds"
        self._bar.update(self._job, completed=self._done, detail=detail)


def _label(seeds: tuple[int, ...]) -> str:
    return f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds[0]}…{seeds[-1]}"
