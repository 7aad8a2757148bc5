"""Which folder holds a condition: the one whose own record says so, whatever others are called."""

from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from subliminal.config.schema import DEVICES
from subliminal.errors import UserError
from subliminal.store.identity import condition_hash
from subliminal.store.places import CONDITION, MARKER, run_dirs
from subliminal.store.records import Damaged, read_condition, read_summary

LONGEST_NAME = 110  # characters; with the hash it is a W&B group, which holds 128
MOST_BYTES = 240

Plain = dict[str, Any]


def recorded(folder: Path) -> Plain:
    """Return a condition's record; empty when there is none, or it is damaged."""
    try:
        return read_condition(folder)
    except Damaged:
        return {}


def folder_name(condition: str, digits: str) -> str:
    """Return the name of a condition's folder: of one folder, whatever the condition is called."""
    condition = condition.replace("/", ".")
    # A folder's name has 255 bytes, of which a letter may take four.
    start = condition[:LONGEST_NAME].encode()[:MOST_BYTES].decode(errors="ignore")
    return f"{start}-{digits}"


def folder_of(experiment: Path, digits: str) -> Path | None:
    """Return the folder of an experiment that holds the condition; None when there is none yet.

    Args:
        experiment: `outputs/<name>`.
        digits: the condition's hash.
    """
    named = sorted(experiment.glob(f"*-{digits}"))
    # Those that were named before values were taken by their types may have other digits.
    recorded = sorted(file.parent for file in experiment.glob(f"*/{CONDITION}"))
    return next(
        (folder for folder in (*named, *recorded) if condition_hash_of(folder) == digits), None
    )


def condition_hash_of(folder: Path) -> str | None:
    """Return the digits of the condition that a folder holds, by its record or by its runs.

    None when it is a copy (its record bears another folder's name), or when nothing tells.
    """
    try:
        stat = (folder / CONDITION).stat()
    except OSError:
        return _digits_of(folder, None)
    return _digits_of(folder, (stat.st_mtime_ns, stat.st_size))


def original(folder: Path) -> Path | None:
    """Return the folder beside this one that it is a copy of; None when it is none."""
    name = _own_name(folder, recorded(folder))
    beside = folder.parent / name
    return beside if name != folder.name and beside.is_dir() else None


@cache  # each job of a sweep looks for its folder among all of them
def _digits_of(folder: Path, as_it_is: tuple[int, int] | None) -> str | None:
    record = recorded(folder)
    if _own_name(folder, record) != folder.name:
        return None
    return str(record["identity"]) if "identity" in record else _derived(folder, record)


def _own_name(folder: Path, record: Plain) -> str:
    """Return the name that a folder had when its record was written."""
    if "folder" in record:
        return str(record["folder"])
    condition = record.get("condition") or _condition_of_a_run(folder)
    digits = folder.name.rpartition("-")[2]
    return folder.name if condition is None else folder_name(condition, digits)


def _condition_of_a_run(folder: Path) -> str | None:
    for run in run_dirs(folder):
        if (run / MARKER).is_file():
            with suppress(Damaged):
                return str(read_summary(run)["condition"])
    return None


def _derived(folder: Path, record: Plain) -> str | None:
    """Return the digits of a folder whose record has none: of before, or damaged.

    Its name ends in a hash, which tells the device and that the config is what it was.
    """
    digits = folder.name.rpartition("-")[2]
    found = {_named(config, digits) for config in _configs(folder, record)}
    return found.pop() if len(found) == 1 else None


def _named(config: Any, digits: str) -> str | None:
    """Return the hash of a config whose folder's name ends in these digits; None: not of it."""
    try:
        for device in DEVICES[1:]:
            now = condition_hash(config, device)
            if digits == now:
                return now
    except (UserError, KeyError, TypeError, AttributeError):  # of an earlier schema, or damaged
        pass
    return None


def _configs(folder: Path, record: Plain) -> Iterator[Any]:
    """Yield what a folder's runs were trained with; more than one where its record may err."""
    config = record.get("config")
    mitigations = config.get("mitigation") if isinstance(config, dict) else None
    runs = [file for run in run_dirs(folder) if (file := run / "config.yaml").is_file()]
    # The order of mitigations once was no part of the name: the record is the last job's.
    if isinstance(mitigations, dict) and (len(mitigations) < 2 or not runs):
        yield config
        return
    for file in runs:
        try:
            yield OmegaConf.to_container(OmegaConf.load(file))
        except (OSError, ValueError, OmegaConfBaseException, YAMLError):
            yield None
