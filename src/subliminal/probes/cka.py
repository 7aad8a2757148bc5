"""Similarity of representations, layer by layer (Kornblith et al. 2019, arXiv 1905.00414)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from subliminal import metrics
from subliminal.errors import UserError
from subliminal.probes import Probe
from subliminal.probes.states import State, name, pairs
from subliminal.state import Training
from subliminal.tensors.similarity import linear_cka

if TYPE_CHECKING:
    from collections.abc import Mapping

LAST = "features"  # what the logits are linear in, whatever a network calls it


@dataclass(frozen=True, kw_only=True)
class CKA(Probe):
    """Linear CKA of two networks' hidden activations on test digits, after each epoch.

    For the six pairs of teacher and student, initial and final: of layers that both have by name,
    and of the last hidden layer (`features`) of each, so that a perceptron can be compared with a
    convolutional network. 1 where one representation is the other turned and scaled, and a chance
    level above 0 that grows with width / examples.

    Attributes:
        examples: how many of the test digits, the first ones, are taken; ≥ 2.
    """

    examples: int

    def __post_init__(self) -> None:
        if self.examples < 2:
            raise UserError(f"probe.cka.examples={self.examples}: at least 2 are needed")

    def on_epoch_end(self, training: Training) -> None:
        """Log all pairs."""
        assert training.data is not None, "students have the test digits"
        data = training.data
        x = data.scale(data.test_x[: self.examples])[None]  # (1, n, pixels)
        seen: dict[str, Mapping[str, Tensor]] = {}
        for a, b in pairs(training):
            for state in (a, b):
                if state.name not in seen:
                    seen[state.name] = _representations(state, x)
            ours, theirs = seen[a.name], seen[b.name]
            for layer in ours.keys() & theirs.keys():
                value = linear_cka(ours[layer], theirs[layer])
                training.log(name(metrics.CKA, a, b, layer), value)


@torch.no_grad()
def _representations(state: State, x: Tensor) -> dict[str, Tensor]:
    """Return each hidden layer's output on x: (seeds, n, width)."""
    theta, network = state.theta, state.network
    found = network.model.activations(network.layout.views(theta), x.expand(theta.shape[0], -1, -1))
    return found | {LAST: list(found.values())[-1]}
