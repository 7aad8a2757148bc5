"""Experiment trackers: what carries a run's metrics to a dashboard."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from subliminal.state.callbacks import Callback


@dataclass(frozen=True)
class RunInfo:
    """What a tracker is told of a stack of seeds."""

    directories: Mapping[int, Path]  # each seed's run; the folder above it is the condition's
    run_ids: Mapping[int, str]  # each seed's: unique, and kept by a run that is resumed
    config: dict[str, Any]  # resolved, with the git commit
    stop: Callable[[int], None]  # stops a seed's run as Ctrl-C does; its neighbours keep training


class Tracker(Protocol):
    """Configuration of a tracker; it makes one callback per stack of seeds."""

    def begin(
        self, todo: Sequence[Path], finished: Sequence[Path]
    ) -> tuple[dict[str, Any] | None, str | None]:
        """Settle, once per job and in its own process, what depends on the user's login.

        Args:
            todo: the directories of the runs that are about to be trained.
            finished: of the job's other runs.

        Returns:
            The config values to override, or None when nothing is to be tracked; and a line to
            tell the user, or None.

        Raises:
            UserError: the runs cannot be tracked as the user wants them to be.
        """

    def callback(self, info: RunInfo) -> Callback:
        """Return the callback that tracks the runs of a stack.

        It is called after the one that writes the files: a run is finished before it hears so.
        """
