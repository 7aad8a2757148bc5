"""Accuracy of four class heads on the student's features."""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge
from torch.nn import functional as F

from subliminal import metrics
from subliminal.probes import EpochProbe
from subliminal.probes.states import states
from subliminal.state import Training
from subliminal.tensors import streams
from subliminal.tensors.geometry import ridge, widest
from subliminal.tensors.network import accuracy


@dataclass(frozen=True, kw_only=True)
class Readout(EpochProbe):
    """Accuracy on test digits of four class heads on the student's last hidden layer, by epoch.

    - `readout/own`: the student's own, which is the trait accuracy;
    - `readout/teacher`: its teacher's, where that reads as many features: do the features mean to
      the teacher's head what its own do?
    - `readout/random`: one that nobody trained, from another draw of initial weights: the chance
      level;
    - `readout/refitted`: a linear one that is fitted to labelled digits by ridge regression: what
      the features hold, whether or not the student's head reads it.

    Source: the readouts of Brockers et al. 2026 (arXiv 2605.23645).

    Attributes:
        every: measure after every k-th epoch, k ≥ 1, at the start and after the last.
        examples: how many training digits, the first ones, the head is refitted to; ≥ 2.
    """

    needs_classes = True

    examples: Annotated[int, Ge(2)]

    def on_train_start(self, training: Training) -> None:
        self.measure(training)

    @torch.no_grad()
    def measure(self, training: Training) -> None:
        assert training.data is not None, "students have the test digits"
        _, teacher, *_ = states(training)
        data, network, seeds = training.data, training.network, training.seeds
        labels, classes = data.test_y.expand(len(seeds), -1), network.classes
        features = network.features(training.theta, data.test_x, data.scale)
        random = network.reference(seeds, training.theta.device, stream=streams.READOUT_HEAD)
        heads = {
            metrics.READOUT_OWN: (network, training.theta),
            metrics.READOUT_TEACHER: (teacher.network, teacher.theta),
            metrics.READOUT_RANDOM: (network, random),
        }
        for name, (owner, theta) in heads.items():
            layer = owner.hidden[-1]
            if owner.widths[layer] == features.shape[-1]:
                logits = owner.model.onward(owner.layout.views(theta), layer, features)
                training.log(name, accuracy(logits, labels, classes))
        wide = widest(features.device)
        x = network.features(training.theta, data.train_x[: self.examples], data.scale).to(wide)
        y = F.one_hot(data.train_y[: self.examples], classes).to(wide)
        fitted = [ridge(of_seed, y) for of_seed in x]
        scores = [h.to(wide) @ w + bias for h, (w, bias) in zip(features, fitted, strict=True)]
        refitted = accuracy(torch.stack(scores), labels, classes)
        training.log(metrics.READOUT_REFITTED, refitted)
