"""Similarity of representations, layer by layer (Kornblith et al. 2019, arXiv 1905.00414)."""

from dataclasses import dataclass
from itertools import combinations
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor

from subliminal import metrics
from subliminal.config.hashing import Count, OneOf
from subliminal.probes import EpochProbe
from subliminal.probes.states import State, first_images, first_test_digits, name, states
from subliminal.state import Training
from subliminal.tensors.geometry import cosine, linear_cka

LAST = "features"  # what the logits are linear in, whatever a network calls it


@dataclass(frozen=True, kw_only=True)
class CKA(EpochProbe):
    """Linear CKA of two networks' hidden activations on test digits or distillation inputs.

    For the six pairs of teacher and student, initial and final: of layers that both have by name,
    and of the last hidden layer (`features`) of each, so that a perceptron can be compared with a
    convolutional network. 1 where one representation is the other turned and scaled, and a chance
    level above 0 that grows with width / examples. On request also the activations' cosine, which
    is 1 only where they are the same but for each image's scale; mean over the images, of layers of
    one width.

    Attributes:
        examples: how many of the images, the first ones, are taken; ≥ 2.
        images: test: digits (`cka/…`, `activation_cosine/…`) | inputs: each seed's distillation
            inputs (`cka_inputs/…`, `activation_cosine_inputs/…`) | both.
        cosine: log the activations' cosine too.
    """

    examples: Annotated[int, Ge(2)]
    images: Annotated[str, OneOf(("test", "inputs", "both"))] = "test"
    every: Count = 1
    cosine: bool = False

    def measure(self, training: Training) -> None:
        if self.images in ("test", "both"):
            x, _ = first_test_digits(training, self.examples)  # (1, n, pixels)
            self._log(training, x, metrics.CKA, metrics.ACTIVATION_COSINE)
        if self.images in ("inputs", "both"):
            x = first_images(training, training.task, self.examples)  # (seeds, n, pixels)
            self._log(training, x, metrics.CKA_INPUTS, metrics.ACTIVATION_COSINE_INPUTS)

    def _log(self, training: Training, x: Tensor, similarity: str, angle: str) -> None:
        seen = [(state, _representations(state, x)) for state in states(training)]
        for (a, ours), (b, theirs) in combinations(seen, 2):
            for layer in ours.keys() & theirs.keys():
                value = linear_cka(ours[layer], theirs[layer])
                training.log(name(similarity, a, b, layer), value)
                if self.cosine and ours[layer].shape == theirs[layer].shape:
                    cosines = cosine(ours[layer], theirs[layer])  # (seeds, n)
                    training.log(name(angle, a, b, layer), cosines.mean(dim=1))


@torch.no_grad()
def _representations(state: State, x: Tensor) -> dict[str, Tensor]:
    """Return each hidden layer's output on x: (seeds, n, width)."""
    theta, network = state.theta, state.network
    found = network.model.activations(network.layout.views(theta), x.expand(theta.shape[0], -1, -1))
    return found | {LAST: list(found.values())[-1]}
