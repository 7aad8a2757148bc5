"""`tracking.json` in a run's folder: what W&B is to be told of the run, besides its tables.

Written by the process that trains, read by the one that follows it, and by `subliminal.sync`.
"""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from subliminal import store

FILE = "tracking.json"
STOP = "stop"  # beside it: there once the run is to be stopped
INTERRUPTED = 255  # the exit code by which W&B knows Ctrl-C

# The process of the command, where this is one of its workers.
_parent: int | None = None


@dataclass(frozen=True)
class Note:
    """One try at training a run."""

    session: str  # of this try; another one has another
    command: str  # the process that follows the runs of this one may follow this run
    run_id: str
    project: str
    entity: str | None
    mode: str  # online | offline
    tags: list[str]
    group: str
    name: str
    config: dict[str, Any]
    exit_code: int | None = None  # None: it trains, or was killed
    whole: bool = False  # the tables are what they will be: their last row is complete
    uploaded: bool = False  # W&B has all of it
    kept: bool = False  # W&B's client has all of it, offline

    @property
    def told(self) -> bool:
        """Whether W&B has what it should have."""
        return self.uploaded or (self.kept and self.mode == "offline")

    def write(self, directory: Path) -> None:
        """Put the note into a run's folder."""
        store.write_text(directory / FILE, json.dumps(asdict(self)) + "\n")

    def but(self, **changes: Any) -> Note:
        """Return the note with some values changed."""
        return replace(self, **changes)


def read(directory: Path) -> Note | None:
    """Return the note in a run's folder; None where there is none, or none that can be read."""
    try:
        return Note(**json.loads((directory / FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def claim(directory: Path) -> FileLock | None:
    """Return the lock of telling W&B of a run, held; None when another process has it."""
    lock = FileLock(directory.parent / ".locks" / f"{directory.name}.tracking.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return lock


def command() -> str:
    """Return what names the command that this process belongs to, on this machine."""
    return f"{platform.node()}:{_parent or os.getpid()}"


def serve(pid: int) -> None:
    """Let this worker process be part of the command of process `pid`."""
    global _parent
    _parent = pid
