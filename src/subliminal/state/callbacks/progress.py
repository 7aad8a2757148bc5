"""Progress of a stack, reported to the process that shows it."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from subliminal.state import Step, Training
from subliminal.state.callbacks import Callback

INTERVAL = 0.1  # seconds between two reports


@dataclass(frozen=True)
class Event:
    """Progress of a stack."""

    phase: str
    seeds: tuple[int, ...]
    step: int
    steps: int


Report = Callable[[Event], None]


@dataclass
class Progress(Callback):
    """Reports the progress, and ends the training when the job is stopped."""

    report: Report
    stop: Callable[[], bool]
    _last: float = 0.0  # time of the last report

    def on_step(self, step: Step) -> None:
        """Report every INTERVAL; raise KeyboardInterrupt when the job is stopped."""
        if self.stop():
            raise KeyboardInterrupt
        now = time.monotonic()
        if now - self._last >= INTERVAL:
            self._last = now
            self._send(step.training)

    def on_train_end(self, training: Training) -> None:
        self._send(training)

    def _send(self, training: Training) -> None:
        self.report(Event(training.phase, training.seeds, training.index, training.steps))
