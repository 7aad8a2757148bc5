"""Processes of a battery: code that an entrant brings runs in one, what decides in another.

Where a defence names nothing but this package, both are this process.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any, TypeVar

from subliminal.config.build import PLUGINS, plugins
from subliminal.errors import UserError
from subliminal.judge.battery import Defence
from subliminal.sweep import signals

T = TypeVar("T")


class Rooms:
    """Calls functions here, or apart; arguments and results are then pickled."""

    def __init__(
        self, clean: ProcessPoolExecutor | None = None, entrant: ProcessPoolExecutor | None = None
    ) -> None:
        self._clean, self._entrant = clean, entrant

    def clean(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function where none of the entrant's code was ever loaded."""
        return _call(self._clean, function, *arguments)

    def entrant(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function where the entrant's code may run."""
        return _call(self._entrant, function, *arguments)


@contextmanager
def rooms_for(defence: Defence) -> Iterator[Rooms]:
    """Open the rooms of a defence, and close them in the end."""
    brought = strangers(defence)
    if not brought:
        yield Rooms()
        return
    ours = [name for name in plugins() if name not in brought]
    context = get_context("spawn")  # a fork would hold what this process has loaded
    with (
        ProcessPoolExecutor(1, context, _enter, (ours,)) as clean,
        ProcessPoolExecutor(1, context, _enter, (plugins(),)) as entrant,
    ):
        yield Rooms(clean, entrant)


def strangers(defence: Defence) -> list[str]:
    """Return the plug-ins that a defence may name: in its overrides, or in its folder's files.

    Settings, in the folder's `threat`, are the judge's own, and so are the plug-ins that they need.
    """
    texts = [*defence.overrides]
    if (folder := defence.config_dir) is not None:
        files = [file for file in folder.rglob("*.yaml") if file.parent != folder / "threat"]
        texts += [file.read_text("utf-8") for file in files]
    return [name for name in plugins() if any(f"{name}." in text for text in texts)]


def _enter(allowed: Sequence[str]) -> None:
    os.environ[PLUGINS] = ",".join(allowed)


def _call(room: ProcessPoolExecutor | None, function: Callable[..., T], *arguments: Any) -> T:
    if room is None:
        return function(*arguments)
    try:
        return room.submit(_stoppable, function, *arguments).result()
    except BrokenProcessPool as error:
        raise UserError("a process of the judge was ended; the same command resumes") from error


def _stoppable(function: Callable[..., T], *arguments: Any) -> T:
    with signals.stoppable():
        return function(*arguments)
