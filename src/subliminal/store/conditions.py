"""Condition folders: their names and hashes, and how copies are recognised."""

import re
from pathlib import Path

from subliminal.store.records import Damaged, Plain, read_condition

LONGEST_NAME = 110  # characters; with the hash it is a W&B group, which holds 128
MOST_BYTES = 240
_HASH = re.compile(r"[0-9a-f]{8}")


def recorded(folder: Path) -> Plain:
    """Return a condition's record; empty when there is none, or it is damaged."""
    try:
        return read_condition(folder)
    except Damaged:
        return {}


def folder_name(condition: str, digits: str) -> str:
    """Return the folder name of a condition: its readable name, shortened, and its hash."""
    condition = condition.replace("/", ".")
    # A folder's name may have 255 bytes, and a character up to four.
    start = condition[:LONGEST_NAME].encode()[:MOST_BYTES].decode(errors="ignore")
    return f"{start}-{digits}"


def folder_of(experiment: Path, digits: str) -> Path | None:
    """Return the folder in `outputs/<name>` of the condition with this hash; None without one."""
    held = [f for f in sorted(experiment.glob(f"*-{digits}")) if condition_hash_of(f) == digits]
    # A copy without an intact record looks like the original.
    return next((folder for folder in held if recorded(folder)), held[0] if held else None)


def condition_hash_of(folder: Path) -> str | None:
    """Return the hash of the condition that a folder holds.

    It is read from the record; where that is missing or damaged, from the end of the folder's name,
    so that its finished runs are found. None for a copy, and for any other folder.
    """
    record = recorded(folder)
    if record.get("folder", folder.name) != folder.name:
        return None
    digits = str(record.get("identity", folder.name.rpartition("-")[2]))
    return digits if _HASH.fullmatch(digits) and folder.is_dir() else None


def original(folder: Path) -> Path | None:
    """Return the folder of which this one, beside it, is a copy; None if it is no copy."""
    name = str(recorded(folder).get("folder", folder.name))
    beside = folder.parent / name
    return beside if name != folder.name and beside.is_dir() else None
