"""The trait loss along straight lines between weights."""

from dataclasses import dataclass

import torch

from subliminal import metrics
from subliminal.config.hashing import Count
from subliminal.probes import EpochProbe
from subliminal.probes.states import first_test_digits, states
from subliminal.state import Training
from subliminal.tensors.network import cross_entropy


@dataclass(frozen=True, kw_only=True)
class Path(EpochProbe):
    """Cross-entropy on test digits at points of two lines in weight space, by epoch.

    θ(s) = (1 − s) a + s b for s = 0, 1/n, …, 1: `path/to_teacher/<s>` from the student (s = 0) to
    its teacher, if both have the same parameters, and `path/from_start/<s>` from the student's
    initial weights to the student. A barrier between the two ends tells apart what they learnt.
    Source: linear interpolation of Goodfellow, Vinyals and Saxe 2015 (arXiv 1412.6544); linear mode
    connectivity, Frankle et al. 2020 (arXiv 1912.05671).

    Attributes:
        pieces: n ≥ 1, of each line.
        examples: how many of the test digits, the first ones, are taken, at most all; ≥ 1.
    """

    pieces: Count
    examples: Count

    def measure(self, training: Training) -> None:
        _, teacher, start, student = states(training)
        lines = {metrics.PATH_START: (start.theta, student.theta)}
        if teacher.network.layout == student.network.layout:
            lines[metrics.PATH_TEACHER] = (student.theta, teacher.theta)
        (x, labels), network = first_test_digits(training, self.examples), training.network
        for name, ends in lines.items():
            for piece in range(self.pieces + 1):
                share = piece / self.pieces
                logits = network.logits(torch.lerp(*ends, share), x)
                loss = cross_entropy(logits, labels, network.classes)
                training.log(f"{name}/{share:.3g}", loss)
