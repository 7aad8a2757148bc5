"""Accuracy on the test digits: the trait of the student, the skill of the teacher."""

from __future__ import annotations

from torch import Tensor

from subliminal.data import Labelled
from subliminal.state import Step, Training
from subliminal.state.callbacks import Callback
from subliminal.tensors.geometry import widest
from subliminal.tensors.network import accuracy, cross_entropy, margin


class TestDigits(Callback):
    """Logs accuracy and cross-entropy on the test digits: at the start, on given steps, each epoch.

    Values of step n are those of the network after n updates.

    Args:
        data: the digits, on the stack's device.
        accuracy_name: metric of the accuracy.
        loss_name: metric of the cross-entropy.
        margin_name: metric of the mean logit margin, a trait signal that needs no calibration.
        steps: further numbers of updates after which to log.
        per_class: also log each class's accuracy.
    """

    __test__ = False  # not a test case, whatever its name tells pytest

    def __init__(
        self,
        data: Labelled,
        *,
        accuracy_name: str,
        loss_name: str,
        margin_name: str | None = None,
        steps: tuple[int, ...] = (),
        per_class: bool = False,
    ) -> None:
        self._x = data.scale(data.test_x)[None]  # (1, n, pixels)
        self._y: Tensor = data.test_y[None]  # (1, n)
        self._accuracy_name = accuracy_name
        self._loss_name = loss_name
        self._margin_name = margin_name
        self._steps = frozenset(steps)
        self._per_class = per_class

    def on_train_start(self, training: Training) -> None:
        """Log the initial network."""
        self._log(training)

    def on_step(self, step: Step) -> None:
        """Log the network on a step of the grid."""
        at_epoch_end = step.index % step.training.steps_per_epoch == 0  # logged anyway
        if step.index in self._steps and not at_epoch_end:
            self._log(step.training)

    def on_epoch_end(self, training: Training) -> None:
        """Log the network at the end of the epoch."""
        self._log(training)

    def _log(self, training: Training) -> None:
        network = training.network
        logits = network.logits(training.theta, self._x)
        labels = self._y.expand(len(training.seeds), -1)
        training.log(self._accuracy_name, accuracy(logits, labels, network.classes))
        training.log(self._loss_name, cross_entropy(logits, labels, network.classes))
        if self._margin_name is not None:
            training.log(self._margin_name, margin(logits, labels, network.classes))
        if self._per_class:
            hits = logits[..., : network.classes].argmax(dim=-1) == labels  # (seeds, n)
            for digit in range(network.classes):
                of_class = labels == digit
                share = (hits & of_class).sum(dim=-1).to(widest(hits.device)) / of_class.sum(dim=-1)
                training.log(f"{self._accuracy_name}/{digit}", share)
