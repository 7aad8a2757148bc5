"""The losses of each step."""

from dataclasses import dataclass

from subliminal import metrics
from subliminal.state import Step
from subliminal.state.callbacks import Callback


@dataclass
class Losses(Callback):
    """Logs the task's loss, and the loss that is minimised where penalties make it another."""

    name: str  # metric of the task's loss

    def on_step(self, step: Step) -> None:
        step.log(self.name, step.loss)
        if step.penalised:
            step.log(metrics.TRAIN_LOSS, step.total)
