"""Mean shifts of activations from θ₀, on a fixed batch of digits: of a student, of its teacher.

Source: steering-vector distillation (Blank et al. 2026, arXiv 2606.00995), which claims that such a
vector is what a student acquires.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from subliminal.config.hashing import Count
from subliminal.probes import Probe
from subliminal.probes.states import first_images, states
from subliminal.state import Training
from subliminal.tensors.network import Network

CLASS = "class"  # the class logits, beside the hidden layers


@dataclass(frozen=True)
class Means:
    """A network's mean activations over the batch."""

    layers: dict[str, Tensor]  # hidden layers, in order, then `class`: (seeds, width) each
    predicted: Tensor  # share of the batch that is put into each class, (seeds, classes)

    def less(self, other: "Means") -> dict[str, Tensor]:
        """Return the shift from `other`, of the layers that both have in the same width."""
        return {
            name: mean - other.layers[name]
            for name, mean in self.layers.items()
            if name in other.layers and other.layers[name].shape == mean.shape
        }


@dataclass(kw_only=True)
class ShiftProbe(Probe):
    """A probe that compares a student's shifts with its teacher's, at the start and by epoch.

    Attributes:
        examples: how many of the training digits make the batch, ≥ 1.
    """

    examples: Count

    def on_train_start(self, training: Training) -> None:
        self.on_resume(training, {})
        self.on_epoch_end(training)

    def on_resume(self, training: Training, state: Mapping[str, Tensor]) -> None:
        """Compute what the student is compared with: its start, how its teacher was shifted."""
        untaught, teacher, start, _ = states(training)
        self._images = first_images(training, training.trait, self.examples)
        self._start = self._means(start.network, start.theta)
        before = self._means(untaught.network, untaught.theta)
        self._teacher = self._means(teacher.network, teacher.theta).less(before)

    @torch.no_grad()
    def _means(self, network: Network, theta: Tensor) -> Means:
        """Return the mean activations of a network with weights θ (seeds, P)."""
        params = network.layout.views(theta)
        hidden = network.model.activations(params, self._images)
        logits = network.forward(params, self._images)[..., : network.classes]
        layers = {name: h.mean(dim=1) for name, h in {**hidden, CLASS: logits}.items()}
        winners = torch.nn.functional.one_hot(logits.argmax(dim=-1), network.classes)
        return Means(layers, winners.double().mean(dim=1))
