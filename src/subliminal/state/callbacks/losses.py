"""The losses of each step."""

from __future__ import annotations

from subliminal import metrics
from subliminal.state import Step
from subliminal.state.callbacks import Callback


class Losses(Callback):
    """Logs the task's loss, and the loss that is minimised where penalties make it another."""

    def __init__(self, name: str) -> None:
        self._name = name

    def on_step(self, step: Step) -> None:
        """Log the losses."""
        step.log(self._name, step.loss)
        if step.penalised:
            step.log(metrics.TRAIN_LOSS, step.total)
