"""Experiment trackers, which send a run's metrics to a dashboard."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from subliminal.state.callbacks import Callback


@dataclass(frozen=True)
class RunInfo:
    """The runs of a stack of seeds that a tracker sends."""

    directories: Mapping[int, Path]  # by seed; the folder above a run's is the condition's
    run_ids: Mapping[int, str]  # by seed: unique, the same when a run resumes
    config: dict[str, Any]  # resolved, with the git commit
    stop: Callable[[int], None]  # stops one seed's run as Ctrl-C does


class Tracker(Protocol):
    """A tracker's settings; it makes one callback per stack of seeds."""

    def begin(
        self, todo: Sequence[Path], finished: Sequence[Path]
    ) -> tuple[dict[str, Any] | None, str | None]:
        """Prepare the tracking of a job, once and in the job's own process.

        Args:
            todo: folders of the runs that will be trained.
            finished: folders of the job's other runs.

        Returns:
            The config values to override, or None to track nothing; and a line for the user, or
            None.

        Raises:
            UserError: the runs cannot be tracked as configured.
        """

    def callback(self, info: RunInfo) -> Callback:
        """Return a stack's callback; it is called after the one that writes the files."""
