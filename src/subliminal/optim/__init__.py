"""Optimizers: configuration that builds a torch optimizer over flat parameters."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from subliminal.errors import UserError


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


def check_adam(lr: float, betas: Sequence[float], eps: float) -> None:
    """Check what Adam and its kin are set by.

    Raises:
        UserError: a number is out of its range.
    """
    if lr <= 0:
        raise UserError(f"optim.lr={lr}: a learning rate > 0 is needed")
    if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
        raise UserError(f"optim.betas={list(betas)}: two numbers in [0, 1) are needed")
    if eps <= 0:
        raise UserError(f"optim.eps={eps}: a number > 0 is needed")
