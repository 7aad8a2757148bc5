"""Run directories and their identity. A run is one (condition, seed); its marker is written last.

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
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout
from omegaconf import DictConfig, OmegaConf

# Raised by hand when the code of the training step changes the numbers: older runs and cached
# teachers are then no longer taken for the same.
NUMERICS = 2

MARKER = "summary.json"
FAILURE = "failure.txt"
CHECKPOINT = "checkpoint.safetensors"
POST_MORTEM = "post-mortem.safetensors"
# What a marker vouches for.
DATA = ("config.yaml", "steps.parquet", "epochs.parquet", "student.safetensors")
CONDITION = "condition.json"
_LOCKS = ".locks"  # of a condition's runs; empty files that stay, for removing one is a race
_PROBED = 0.25  # seconds within which a reader that probes a lock has let it go

State = Literal["finished", "damaged", "running", "failed", "partial", "missing"]

# What decides the numbers of a run; everything else (paths, tracker, workers) does not.
_SCIENCE = ("model", "data", "teacher", "distill", "optim", "mitigation", "probe", "trait")
_TEACHER = ("model", "data", "teacher")
_ARITHMETIC = ("threads", "precision")
_PLACES = ("root", "download")  # of the data: where from, not what

Plain = dict[str, Any]


def science(cfg: DictConfig, device: str) -> Plain:
    """Return the part of the config that decides the numbers, for a kind of device."""
    return _part(cfg, _SCIENCE, device)


def condition_hash(cfg: DictConfig, device: str) -> str:
    """Return eight hexadecimal digits that name the condition (all but the seed)."""
    return _digest(_part(cfg, _SCIENCE, device))[:8]


def teacher_hash(cfg: DictConfig, device: str, seed: int) -> str:
    """Return the digits that name a teacher: it depends on model, data, its settings and seed."""
    part = _part(cfg, _TEACHER, device)
    if "perturb_after" in part["teacher"]:  # its noise is added to what the cache holds
        part["teacher"]["perturb_after"] = {"sigma": 0.0, "layers": [], "tensors": "all"}
    return _digest({**part, "seed": seed})[:16]


def _part(cfg: DictConfig, keys: tuple[str, ...], device: str) -> Plain:
    whole = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(whole, dict)
    part: Plain = {key: whole[key] for key in keys}
    # A vector is no part of what is trained; and a run without one is named as ever.
    teacher = dict(whole["teacher"])
    steering = teacher.pop("steering", None)
    if steering is not None and keys != _TEACHER:
        teacher["steering"] = steering
    part["teacher"] = teacher
    part["data"] = _placeless(whole["data"])
    if "distill" in part:
        inputs = _placeless(whole["distill"]["inputs"])
        part["distill"] = {**whole["distill"], "inputs": inputs}
    part["engine"] = {key: whole["engine"][key] for key in _ARITHMETIC} | {"device": device}
    if whole["engine"].get("compile"):  # a run that is not compiled is named as ever
        part["engine"]["compile"] = True
    return part | {"numerics": NUMERICS}


def _placeless(node: Plain) -> Plain:
    return {key: value for key, value in node.items() if key not in _PLACES}


def _digest(part: Mapping[str, Any]) -> str:
    canonical = json.dumps(part, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


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

    Early markers hold no checksums: the files need only be there.
    """
    try:
        recorded: Plain = read_summary(directory).get("sha256") or {}
        return all(
            recorded.get(name, there) == there for name, there in checksums(directory).items()
        )
    except (OSError, ValueError, AttributeError):
        return False


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
    directory: Path, condition: str, seeds: Iterable[int], config: Mapping[str, Any]
) -> None:
    """Note in a condition's folder that `seeds` are asked for, beside those of earlier jobs.

    Args:
        directory: the condition's folder.
        condition: its readable name.
        seeds: of this job.
        config: resolved; the seed in it is left out.
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
            "seeds": sorted(asked),
            "config": {key: value for key, value in config.items() if key != "seed"},
        }
        write_text(directory / CONDITION, json.dumps(content, indent=2) + "\n")


def read_condition(directory: Path) -> Plain:
    """Return a condition's name (`condition`), `seeds` and `config`; empty when not recorded."""
    try:
        content: Plain = json.loads((directory / CONDITION).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return content


def read_summary(directory: Path) -> Plain:
    """Return the summary of a finished run."""
    summary: Plain = json.loads((directory / MARKER).read_text(encoding="utf-8"))
    return summary


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` make a file beside `path`, flush it to disk, then move it into place.

    A reader sees the old file or the new one, never a part; a failed write leaves nothing behind.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        temporary.chmod(0o644)  # mkstemp's 0600 would hide results from colleagues
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


def sweep(path: Path) -> None:
    """Remove what killed writers of `path` left beside it; call it with its lock held."""
    for left in path.parent.glob(f".{path.name}.*"):
        left.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically."""
    write_atomically(path, lambda temporary: _write(temporary, text))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def finished_runs(experiment_dir: Path) -> Iterator[Path]:
    """Yield the directories of the finished runs below `outputs/<name>`, in order."""
    for marker in sorted(experiment_dir.glob(f"*/seed-*/{MARKER}")):
        yield marker.parent
