"""Run directories. A run is one (condition, seed); its marker is written last.

outputs/<name>/<condition>-<hash>/condition.json    name, config and every seed ever asked for
outputs/<name>/<condition>-<hash>/seed-0007/
    config.yaml            the resolved config
    steps.parquet          one row per step and seed: losses, alignment, trait accuracy, …
    epochs.parquet         one row per epoch: means over its steps, accuracy at its end
    student.safetensors    the trained student's parameters
    summary.json           headline numbers, provenance, checksums: only in a finished run
    checkpoint.safetensors where to go on, in a run that is not finished
    failure.txt            what went wrong, in a run that failed
    post-mortem.safetensors weights and gradient of the first step whose loss was not finite
"""

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from subliminal.store.disk import sweep, write_text

MARKER = "summary.json"
FAILURE = "failure.txt"
CHECKPOINT = "checkpoint.safetensors"
POST_MORTEM = "post-mortem.safetensors"
# What a marker vouches for.
DATA = ("config.yaml", "steps.parquet", "epochs.parquet", "student.safetensors")
CONDITION = "condition.json"
_LOCKS = ".locks"  # of a condition's runs; empty files that stay, for removing one is a race
_PROBED = 0.25  # seconds within which a reader that probes a lock has let it go

Plain = dict[str, Any]
State = Literal["finished", "damaged", "running", "failed", "partial", "missing"]


def run_dir(condition_dir: Path, seed: int) -> Path:
    """Return the directory of one seed of a condition."""
    return condition_dir / f"seed-{seed:04d}"


def finished(directory: Path) -> bool:
    """Tell whether the run in `directory` has its marker."""
    return (directory / MARKER).is_file()


def state(directory: Path) -> State:
    """Return how far the run in `directory` is.

    finished: it has its marker; running: a live process holds its lock; failed: it left
    `failure.txt`; partial: it was cut off; missing: there is no folder. A `damaged` one is told
    from a finished one by `examine` alone, which reads the files.
    """
    if finished(directory):
        return "finished"
    if _held(directory):
        return "running"
    if (directory / FAILURE).is_file():
        return "failed"
    return "partial" if directory.is_dir() else "missing"


def examine(directory: Path) -> State:
    """Return how far the run in `directory` is; read a finished one's files to see if it is."""
    found = state(directory)
    return "damaged" if found == "finished" and not intact(directory) else found


def intact(directory: Path) -> bool:
    """Tell whether the run in `directory` has its marker, and the files that the marker names.

    Early markers hold no checksums: the files need only be there. What a process has found intact
    it reads again only when a file has another time or size.
    """
    try:
        stats = [(directory / name).stat() for name in (MARKER, *DATA)]
        return _intact(directory, tuple((stat.st_mtime_ns, stat.st_size) for stat in stats))
    except (OSError, ValueError, AttributeError):
        return False


@cache  # a plan looks at every run of a sweep, and each job at its own again
def _intact(directory: Path, as_it_is: tuple[tuple[int, int], ...]) -> bool:
    summary = read_summary(directory)
    if "seed" in summary and run_dir(directory.parent, summary["seed"]).name != directory.name:
        return False  # a copy of another seed's
    recorded: Plain = summary.get("sha256") or {}
    return all(recorded.get(name, there) == there for name, there in checksums(directory).items())


def drop_checkpoint(directory: Path) -> None:
    """Remove a finished run's checkpoint, if it may be removed: the run is finished in any case."""
    with contextlib.suppress(OSError):
        (directory / CHECKPOINT).unlink()


def checksums(directory: Path) -> dict[str, str]:
    """Return the SHA-256 of each data file of the run in `directory`."""
    found = {}
    for name in DATA:
        with (directory / name).open("rb") as file:
            found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def claim(directory: Path) -> FileLock | None:
    """Return the lock of the run in `directory`, held; None when another holder has it.

    The operating system lets it go when the process that holds it ends, however it ends.
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
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:  # a folder that this user may only read
        return False
    lock.release()
    return False


def _lock_path(directory: Path) -> Path:
    return directory.parent / _LOCKS / f"{directory.name}.lock"


def record_condition(
    directory: Path,
    condition: str,
    seeds: Iterable[int],
    config: Mapping[str, Any],
    identity: str | None = None,
) -> None:
    """Note in a condition's folder that `seeds` are asked for, beside those of earlier jobs.

    Args:
        directory: the condition's folder.
        condition: its readable name.
        seeds: of this job.
        config: resolved; the seed in it is left out.
        identity: the condition's hash; None: not known.
    """
    (directory / _LOCKS).mkdir(parents=True, exist_ok=True)
    with FileLock(directory / _LOCKS / "condition.lock"):  # jobs of one condition may come at once
        sweep(directory / CONDITION)
        try:
            earlier = read_condition(directory).get("seeds", ())
        except ValueError:  # damaged: seeds that were asked for and never begun are forgotten
            earlier = [int(run.name.removeprefix("seed-")) for run in directory.glob("seed-*")]
        asked = set(earlier) | set(seeds)
        content = {
            "condition": condition,
            "folder": directory.name,  # tells a copy
            **({"identity": identity} if identity else {}),
            "seeds": sorted(asked),
            "config": {key: value for key, value in config.items() if key != "seed"},
        }
        write_text(directory / CONDITION, json.dumps(content, indent=2) + "\n")


def read_condition(directory: Path) -> Plain:
    """Return what `record_condition` noted; empty when nothing was."""
    try:
        content: Plain = json.loads((directory / CONDITION).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return content


def read_summary(directory: Path) -> Plain:
    """Return the summary of a finished run."""
    summary: Plain = json.loads((directory / MARKER).read_text(encoding="utf-8"))
    return summary


def finished_runs(experiment_dir: Path) -> Iterator[Path]:
    """Yield the directories of the finished runs below `outputs/<name>`, in order."""
    for marker in sorted(experiment_dir.glob(f"*/seed-*/{MARKER}")):
        yield marker.parent
