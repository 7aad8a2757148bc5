"""The trained student without its smallest weights, or its smallest changes."""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Interval
from torch import Tensor

from subliminal.config.hashing import OneOf
from subliminal.mitigations import AtEnd
from subliminal.state import Step


@dataclass(frozen=True, kw_only=True)
class Pruning(AtEnd):
    """After the last step a share of each tensor's entries is taken back.

    of=weights: the smallest |θ| become 0 (Han et al. 2015, arXiv 1506.02626). of=changes: the
    smallest |θ − θ₀| become 0, so that most of the student is the reference model.

    Attributes:
        share: in [0, 1).
        of: weights | changes.
    """

    share: Annotated[float, Interval(ge=0, lt=1)]
    of: Annotated[str, OneOf(("weights", "changes"))]

    def changed(self, theta: Tensor, step: Step) -> Tensor:
        training = step.training
        home = torch.zeros_like(theta) if self.of == "weights" else training.reference
        pruned = theta.clone()
        for span in training.network.layout.spans.values():
            sizes = (theta[:, span] - home[:, span]).abs()
            number = int(self.share * sizes.shape[1])
            if number:
                smallest = sizes.argsort(dim=1, stable=True)[:, :number]
                pruned[:, span] = pruned[:, span].scatter(
                    1, smallest, home[:, span].gather(1, smallest)
                )
        return pruned
