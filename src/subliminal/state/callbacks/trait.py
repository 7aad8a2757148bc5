"""Accuracy on the test digits: the trait of the student, the skill of the teacher."""

from dataclasses import KW_ONLY, dataclass

import torch
from torch import Tensor

from subliminal.data import Labelled
from subliminal.state import Step, Training
from subliminal.state.callbacks import Callback
from subliminal.tensors.geometry import widest
from subliminal.tensors.network import accuracy, cross_entropy, margin


@dataclass
class TestDigits(Callback):
    """Logs accuracy and cross-entropy on the test digits: at the start, on given steps, each epoch.

    Values of step n are those of the network after n updates.
    """

    __test__ = False  # not a test case, whatever its name tells pytest

    data: Labelled  # on the stack's device
    _: KW_ONLY
    accuracy_name: str  # metric of the accuracy
    loss_name: str  # metric of the cross-entropy
    margin_name: str | None = None  # of the mean logit margin: a trait signal without calibration
    steps: tuple[int, ...] = ()  # further numbers of updates after which to log
    per_class: bool = False  # also log each class's accuracy

    def __post_init__(self) -> None:
        self._x = self.data.scale(self.data.test_x)[None]  # (1, n, pixels)
        self._y: Tensor = self.data.test_y[None]  # (1, n)

    def on_train_start(self, training: Training) -> None:
        """Log the initial network."""
        self.on_epoch_end(training)

    def on_step(self, step: Step) -> None:
        """Log the network on a step of the grid."""
        at_epoch_end = step.index % step.training.steps_per_epoch == 0  # logged anyway
        if step.index in self.steps and not at_epoch_end:
            self.on_epoch_end(step.training)

    def on_epoch_end(self, training: Training) -> None:
        """Log the network as it is now."""
        network = training.network
        logits = network.logits(training.theta, self._x)
        labels = self._y.expand(len(training.seeds), -1)
        training.log(self.accuracy_name, accuracy(logits, labels, network.classes))
        training.log(self.loss_name, cross_entropy(logits, labels, network.classes))
        if self.margin_name is not None:
            training.log(self.margin_name, margin(logits, labels, network.classes))
        if self.per_class:
            hits = logits[..., : network.classes].argmax(dim=-1) == labels  # (seeds, n)
            for digit in range(network.classes):
                of_class = labels == digit
                share = (hits & of_class).sum(dim=-1).to(widest(hits.device)) / of_class.sum(dim=-1)
                training.log(f"{self.accuracy_name}/{digit}", share)


@dataclass
class Unmeasured(Callback):
    """Logs NaN at the start and each epoch, where there are no test digits to measure on."""

    name: str  # metric of the accuracy

    def on_train_start(self, training: Training) -> None:
        """Log NaN."""
        self.on_epoch_end(training)

    def on_epoch_end(self, training: Training) -> None:
        """Log NaN."""
        training.log(self.name, torch.full((len(training.seeds),), torch.nan))
