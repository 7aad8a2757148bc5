"""Accuracy on the test digits or questions: the trait of the student, the teacher's skill."""

from dataclasses import KW_ONLY, dataclass
from typing import Any

import torch
from torch import Tensor

from subliminal import metrics
from subliminal.data import Labelled
from subliminal.data.language import Texts
from subliminal.state import Step, Training
from subliminal.state.callbacks import Callback
from subliminal.tensors.geometry import widest
from subliminal.tensors.network import accuracy, cross_entropy, margin, probability


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
        # (1, n, pixels) and (1, n), or those of each seed.
        self._x, self._y = self.data.tests()

    def on_train_start(self, training: Training) -> None:
        self.on_epoch_end(training)

    def on_step(self, step: Step) -> None:
        at_epoch_end = step.index % step.training.steps_per_epoch == 0  # logged anyway
        if step.index in self.steps and not at_epoch_end:
            self.on_epoch_end(step.training)

    def on_epoch_end(self, training: Training) -> None:
        logits = training.network.logits(training.theta, self._x)
        self.measure(training, logits, self._y.expand(len(training.seeds), -1))

    def measure(self, training: Training, logits: Tensor, labels: Tensor) -> None:
        """Log logits (seeds, n, classes + m) on examples with labels (seeds, n)."""
        network = training.network
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


class TestQuestions(TestDigits):
    """Logs the probability of the favourite animal as the answer to held-out questions, mean.

    This is the expected accuracy of an answer that is sampled at temperature 1. Beside a student's:
    the share of questions whose most probable answer it is, and its probability among the animals.
    """

    def measure(self, training: Training, logits: Tensor, labels: Tensor) -> None:
        """Log logits (seeds, n, V) on questions with labels (seeds, n)."""
        classes, vocabulary = training.network.classes, logits.shape[-1]
        training.log(self.accuracy_name, probability(logits, labels))
        training.log(self.loss_name, cross_entropy(logits, labels, vocabulary))
        if self.margin_name is not None:
            training.log(self.margin_name, margin(logits, labels, classes))
            training.log(metrics.TRAIT_GREEDY, accuracy(logits, labels, vocabulary))
            training.log(metrics.TRAIT_AMONG, probability(logits[..., :classes], labels))


def test_callback(data: Labelled, accuracy_name: str, loss_name: str, **values: Any) -> TestDigits:
    """Return what measures a training on the test examples; `values` are further fields."""
    cls = TestQuestions if isinstance(data, Texts) else TestDigits
    return cls(data, accuracy_name=accuracy_name, loss_name=loss_name, **values)


@dataclass
class Unmeasured(Callback):
    """Logs NaN at the start and each epoch, where there are no test digits to measure on."""

    name: str  # metric of the accuracy

    def on_epoch_end(self, training: Training) -> None:
        training.log(self.name, torch.full((len(training.seeds),), torch.nan))

    on_train_start = on_epoch_end
