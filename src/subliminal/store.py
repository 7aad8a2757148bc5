"""Run directories and their identity. A run is one (condition, seed); its marker is written last.

outputs/<name>/<condition>-<hash>/seed-0007/
    config.yaml            the resolved config
    steps.parquet          one row per step and seed: losses, alignment, trait accuracy, …
    epochs.parquet         one row per epoch: means over its steps, accuracy at its end
    student.safetensors    the trained student's parameters
    summary.json           headline numbers and provenance: present only in a finished run
    failure.txt            what went wrong, in a run that did not finish
"""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

# Raised by hand when the code of the training step changes the numbers: older runs and cached
# teachers are then no longer taken for the same.
NUMERICS = 1

MARKER = "summary.json"

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
    return _digest({**_part(cfg, _TEACHER, device), "seed": seed})[:16]


def _part(cfg: DictConfig, keys: tuple[str, ...], device: str) -> Plain:
    whole = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(whole, dict)
    part: Plain = {key: whole[key] for key in keys}
    part["data"] = {k: v for k, v in whole["data"].items() if k not in _PLACES}
    part["engine"] = {key: whole["engine"][key] for key in _ARITHMETIC} | {"device": device}
    return part | {"numerics": NUMERICS}


def _digest(part: Mapping[str, Any]) -> str:
    canonical = json.dumps(part, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def run_dir(condition_dir: Path, seed: int) -> Path:
    """Return the directory of one seed of a condition."""
    return condition_dir / f"seed-{seed:04d}"


def finished(directory: Path) -> bool:
    """Tell whether the run in `directory` has its marker."""
    return (directory / MARKER).is_file()


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


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically."""
    write_atomically(path, lambda temporary: _write(temporary, text))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def finished_runs(experiment_dir: Path) -> Iterator[Path]:
    """Yield the directories of the finished runs below `outputs/<name>`, in order."""
    for marker in sorted(experiment_dir.glob(f"*/seed-*/{MARKER}")):
        yield marker.parent
