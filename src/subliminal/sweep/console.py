"""What the user sees while a job runs: lines, and a progress bar on a terminal."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import TimeElapsedColumn as Elapsed

from subliminal.callbacks.progress import Event
from subliminal.terminal import console


class Console:
    """Lines go to standard error, so that standard output holds results alone."""

    def __init__(self) -> None:
        self.rich = console(stderr=True)

    def say(self, line: str) -> None:
        """Tell the user one line."""
        self.rich.print(line, soft_wrap=True)

    @contextmanager
    def progress(self, title: str, seeds: int) -> Iterator["JobProgress"]:
        """Show a progress bar for `seeds` seeds; silent when not on a terminal."""
        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[detail]}"),
            Elapsed(),
            TimeRemainingColumn(),
            console=self.rich,
            disable=not sys.stderr.isatty(),
            transient=True,
        )
        with bar:
            yield JobProgress(bar, title, seeds)


class JobProgress:
    """One bar for the job (in seeds), one for each stack in flight (in steps)."""

    def __init__(self, bar: Progress, title: str, seeds: int) -> None:
        self._bar = bar
        self._job = bar.add_task(title, total=seeds, detail=f"0/{seeds} seeds")
        self._stacks: dict[tuple[int, ...], TaskID] = {}
        self._done, self._seeds = 0, seeds

    def report(self, event: Event) -> None:
        """Show how far a stack has come."""
        label = _label(event.seeds)
        if event.seeds not in self._stacks:
            self._stacks[event.seeds] = self._bar.add_task(label, total=1, detail="")
        task = self._stacks[event.seeds]
        detail = f"{event.phase} step {event.step}/{event.steps}"
        self._bar.update(task, completed=event.step, total=event.steps, detail=detail)
        if event.phase == "student" and event.step == event.steps:
            self._bar.remove_task(self._stacks.pop(event.seeds))

    def seeds_done(self, number: int) -> None:
        """Count seeds that ended."""
        self._done += number
        detail = f"{self._done}/{self._seeds} seeds"
        self._bar.update(self._job, completed=self._done, detail=detail)


def _label(seeds: tuple[int, ...]) -> str:
    return f"  seed {seeds[0]}" if len(seeds) == 1 else f"  seeds {seeds[0]}…{seeds[-1]}"
