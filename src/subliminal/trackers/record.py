"""`tracking.json` in a run's folder: the name and config of its W&B run, and whether W&B has it.

The training writes it when the run starts; the uploader updates it.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from subliminal import store

FILE = "tracking.json"
MEAN = ".mean"  # folder of a condition's own run, beside those of its seeds
LONGEST_TAG = 64  # characters
STOP = "stop"  # the file beside it that says that W&B's Stop button was pressed


@dataclass(frozen=True)
class TrackingRecord:
    """The W&B run of one seed, or of a condition."""

    run_id: str
    project: str
    entity: str | None
    mode: str  # online | offline
    tags: list[str]
    group: str
    name: str
    config: dict[str, Any]
    uploaded: bool = False  # W&B's server has all of it
    note: str | None = None
    kept: bool = False  # W&B's client has all of it in an offline folder
    job_type: str = "train"

    @property
    def settled(self) -> bool:
        """Whether W&B has the run where its mode wants it."""
        return self.uploaded or (self.kept and self.mode == "offline")

    def write(self, directory: Path) -> None:
        """Write the record into a run's folder."""
        store.write_text(directory / FILE, json.dumps(asdict(self)) + "\n")


def read(directory: Path) -> TrackingRecord | None:
    """Return a run's record; None without a readable one."""
    try:
        return TrackingRecord(**json.loads((directory / FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def written(directory: Path) -> int:
    """Return the time at which a run's record was written, in ns; 0 without one."""
    try:
        return (directory / FILE).stat().st_mtime_ns
    except OSError:
        return 0
