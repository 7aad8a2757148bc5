"""Files of conditions and runs, checked as they are read; an error names the damaged file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from safetensors import SafetensorError
from yaml import YAMLError

from subliminal import metrics
from subliminal.errors import UserError
from subliminal.store.disk import remove_stale_files, write_text
from subliminal.store.places import CONDITION, LOCKS, MARKER, NOTES, STUDENT, run_dirs, seed_of

if TYPE_CHECKING:
    from torch import Tensor

Plain = dict[str, Any]
# The types of the values that are read, by dotted key.
_CONDITION = {"condition": str, "seeds": list, "config": dict}
_RESULTS = [f"results.{name}" for name in (metrics.TRAIT_ACCURACY, metrics.DISTILL_LOSS)]
_SUMMARY = {
    **dict.fromkeys(("run_id", "condition", "device", "environment.processor"), str),
    **dict.fromkeys(("seed", "threads", "stack"), int),
    **dict.fromkeys(("seconds.student", *_RESULTS), int | float),
    "environment.packages.torch": str | None,
}


class Damaged(UserError):
    """A file of the store is missing or malformed; the message names it."""


def read_condition(directory: Path) -> Plain:
    """Return the record that `record_condition` wrote; empty when there is none.

    Raises:
        Damaged: the record is malformed.
    """
    path = directory / CONDITION
    if not path.exists():
        return {}
    record = _read(path, _CONDITION)
    if not all(type(seed) is int and seed >= 0 for seed in record["seeds"]):
        raise Damaged(f"{path}: seeds: whole numbers ≥ 0 are needed")
    return record


def record_condition(
    directory: Path, condition: str, seeds: Iterable[int], config: Plain, identity: str = ""
) -> None:
    """Write a condition's record, with `seeds` added to those that earlier jobs requested.

    `condition` is its readable name, `identity` its hash if it is known. The seed in the resolved
    config is left out.
    """
    (directory / LOCKS).mkdir(parents=True, exist_ok=True)
    with FileLock(directory / LOCKS / "condition.lock"):  # jobs of one condition may start together
        remove_stale_files(directory / CONDITION)
        try:
            earlier = set(read_condition(directory).get("seeds", ()))
        except Damaged:  # requested seeds without a folder are lost
            earlier = {seed for run in run_dirs(directory) if (seed := seed_of(run)) is not None}
        content = {
            "condition": condition,
            "folder": directory.name,  # another name: the folder is a copy
            **({"identity": identity} if identity else {}),
            "seeds": sorted(earlier | set(seeds)),
            "config": {key: value for key, value in config.items() if key != "seed"},
        }
        write_text(directory / CONDITION, json.dumps(content, indent=2) + "\n")


def forget(run: Path) -> None:
    """Take a run that is no longer there out of its condition's record."""
    with FileLock(run.parent / LOCKS / "condition.lock"):
        if record := read_condition(run.parent):
            record["seeds"] = [seed for seed in record["seeds"] if seed != seed_of(run)]
            write_text(run.parent / CONDITION, json.dumps(record, indent=2) + "\n")


def read_notes(directory: Path) -> Plain:
    """Return a user's note and tags on a run; empty ones without a readable file."""
    notes: Plain = {"note": "", "tags": []}
    with suppress(OSError, ValueError, TypeError):
        notes |= json.loads((directory / NOTES).read_text(encoding="utf-8"))
    return notes


def read_summary(directory: Path) -> Plain:
    """Return the summary of a finished run.

    Raises:
        Damaged: it is malformed, or is of another seed: the folder is a copy.
    """
    path = directory / MARKER
    summary = _read(path, _SUMMARY)
    if seed_of(directory) not in (None, summary["seed"]):
        raise Damaged(f"{path}: is of seed {summary['seed']}")
    return summary


def read_config(directory: Path) -> Plain:
    """Return the resolved config of a run.

    Raises:
        Damaged: it is missing or malformed.
    """
    path = directory / "config.yaml"
    try:
        config = OmegaConf.to_container(OmegaConf.load(path))
    except (OSError, ValueError, YAMLError, OmegaConfBaseException) as error:
        raise Damaged(f"{path}: cannot be read ({type(error).__name__})") from error
    if not isinstance(config, dict):
        raise Damaged(f"{path}: a mapping is needed")
    return {str(key): value for key, value in config.items()}


def read_student(directory: Path) -> dict[str, Tensor]:
    """Return the trained student's parameters by name, each of one seed.

    Raises:
        Damaged: the file is missing or malformed.
        UserError: the student is linearised: its weights alone are no network.
    """
    with suppress(Damaged):
        if read_condition(directory.parent).get("config", {}).get("distill", {}).get("linearised"):
            raise UserError(f"{directory}: its student is no network (distill.linearised=true)")

    from safetensors.torch import load_file  # torch takes a second to import

    path = directory / STUDENT
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise Damaged(f"{path}: cannot be read ({error})") from error


def _read(path: Path, types: Mapping[str, Any]) -> Plain:
    try:
        content: Plain = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise Damaged(f"{path}: cannot be read ({type(error).__name__})") from error
    for key, kind in types.items():
        value: Any = content
        for part in key.split("."):
            value = value.get(part, ...) if isinstance(value, dict) else ...
        if not isinstance(value, kind) or isinstance(value, bool):
            raise Damaged(f"{path}: {key}: {getattr(kind, '__name__', kind)} is needed")
    return content
