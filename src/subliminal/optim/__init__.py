"""Optimizers: configuration that builds a torch optimizer over flat parameters."""

from typing import Protocol

import torch
from torch import Tensor


class Optim(Protocol):
    """Builds the optimizer of one stack of seeds.

    Attributes:
        numerator: (decay, gain) of n ← decay · n + gain · g, from n = 0, when an update is n times
            a factor for each coordinate, Δθ = −f ⊙ n, as in most optimizers; it lets the update be
            split by what the gradient was made of. None when the update has another part.
    """

    @property
    def numerator(self) -> tuple[float, float] | None:
        """See above."""

    def build(self, theta: Tensor) -> torch.optim.Optimizer:
        """Return an optimizer that updates `theta` (seeds, P) in place from `theta.grad`."""
