"""State of a run folder, and the lock of the process that trains it. The marker comes last."""

import contextlib
import hashlib
from functools import cache
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from subliminal.store.places import CHECKPOINT, DATA, FAILURE, LOCKS, MARKER, OF_PROBES
from subliminal.store.records import read_summary

_PROBED = 0.25  # seconds; a reader that probes a lock releases it sooner

State = Literal["finished", "damaged", "running", "failed", "partial", "missing"]


def finished(directory: Path) -> bool:
    """Return whether the run in `directory` has its marker."""
    return (directory / MARKER).is_file()


def state(directory: Path) -> State:
    """Return the state of the run in `directory`, without reading its files.

    finished: it has its marker; running: a live process holds its lock; failed: it left
    `failure.txt`; partial: it was interrupted; missing: there is no folder. Only `examine` finds
    `damaged` runs.
    """
    if finished(directory):
        return "finished"
    if _held(directory):
        return "running"
    if (directory / FAILURE).is_file():
        return "failed"
    return "partial" if directory.is_dir() else "missing"


def examine(directory: Path) -> State:
    """Return the state of the run in `directory`; verify the files of a finished one."""
    found = state(directory)
    return "damaged" if found == "finished" and not intact(directory) else found


def intact(directory: Path) -> bool:
    """Return whether the run in `directory` has its marker, and files with the marker's checksums.

    Within a process, files are read again only when their time or size has changed.
    """
    try:
        stats = [(directory / name).stat() for name in (MARKER, *_data(directory))]
        return _intact(directory, tuple((stat.st_mtime_ns, stat.st_size) for stat in stats))
    except (OSError, ValueError):
        return False


@cache  # the plan of a sweep checks every run, and each job its own runs again
def _intact(directory: Path, as_it_is: tuple[tuple[int, int], ...]) -> bool:
    return read_summary(directory).get("sha256") == checksums(directory)


def drop_checkpoint(directory: Path) -> None:
    """Remove a finished run's checkpoint; a failure to do so is ignored."""
    with contextlib.suppress(OSError):
        (directory / CHECKPOINT).unlink()


def checksums(directory: Path) -> dict[str, str]:
    """Return the SHA-256 of each data file of the run in `directory`."""
    contents = {name: (directory / name).read_bytes() for name in _data(directory)}
    return {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}


def _data(directory: Path) -> list[str]:
    return [*DATA, *(name for name in OF_PROBES if (directory / name).is_file())]


def claim(directory: Path) -> FileLock | None:
    """Return the lock of the run in `directory`, held; None when another holder has it.

    The operating system releases it when the process that holds it ends, for any reason.
    """
    path = _lock_path(directory)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=_PROBED, poll_interval=0.02)
    except Timeout:
        return None
    return lock


def _held(directory: Path) -> bool:
    path = _lock_path(directory)
    if not path.is_file():
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # a folder that this user may only read
        return False


def _lock_path(directory: Path) -> Path:
    return directory.parent / LOCKS / f"{directory.name}.lock"
