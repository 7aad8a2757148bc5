"""Experiment trackers: what carries a run's metrics to a dashboard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from subliminal.callbacks import Callback
from subliminal.state.tables import Values


@dataclass
class RunInfo:
    """What a tracker is told of a stack of seeds."""

    directory: Path  # where a tracker keeps its own files
    group: str  # the condition
    seeds: tuple[int, ...]
    run_ids: Mapping[int, str]  # unique and stable, of each seed's run
    config: dict[str, Any]  # resolved, with the git commit
    teacher_rows: Mapping[int, list[Values]]  # per seed: one row per teacher epoch
    notes: list[str]  # the tracker appends what went wrong


class Tracker(Protocol):
    """Configuration of a tracker; it makes one callback per stack of seeds."""

    def resolve(self, directory: Path) -> tuple[dict[str, Any], str | None]:
        """Settle, once per job, what depends on the user's login.

        Returns the config values to override, and a line to tell the user (or None).
        """

    def callback(self, info: RunInfo) -> Callback:
        """Return the callback that tracks the runs of a stack."""
