"""Accuracy on the test digits: the trait of the student, the skill of the teacher."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from subliminal.callbacks import Callback
from subliminal.data import Labelled, scale
from subliminal.network import accuracy, cross_entropy

if TYPE_CHECKING:
    from subliminal.loop import Step, Training


class TestDigits(Callback):
    """Logs accuracy and cross-entropy on the test digits: at the start, on given steps, each epoch.

    Logged at step n is the network after n updates.
    """

    __test__ = False  # not a test case, whatever its name tells pytest

    def __init__(
        self, data: Labelled, *, accuracy_name: str, loss_name: str, steps: tuple[int, ...] = ()
    ) -> None:
        self._x = scale(data.test_x)[None]  # (1, n, pixels)
        self._y: Tensor = data.test_y[None]  # (1, n)
        self._accuracy_name = accuracy_name
        self._loss_name = loss_name
        self._steps = frozenset(steps)

    def on_train_start(self, training: Training) -> None:
        """Log the initial network."""
        self._log(training)

    def on_step(self, step: Step) -> None:
        """Log the network on a step of the grid; epoch ends are logged anyway."""
        training = step.training
        if training.index in self._steps and training.index % training.steps_per_epoch != 0:
            self._log(training)

    def on_epoch_end(self, training: Training) -> None:
        """Log the network at the end of the epoch."""
        self._log(training)

    def _log(self, training: Training) -> None:
        network = training.network
        logits = network.logits(training.theta, self._x)
        labels = self._y.expand(len(training.seeds), -1)
        training.log(self._accuracy_name, accuracy(logits, labels, network.classes))
        training.log(self._loss_name, cross_entropy(logits, labels, network.classes))
