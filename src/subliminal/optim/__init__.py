"""Optimizers of flat parameters, and the configuration that builds them."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from subliminal.errors import UserError


class Optimizer:
    """Moves θ in place, on torch's fused kernels where it has them.

    Not a `torch.optim.Optimizer`, whose constructor imports torch's compiler: over a second for
    each process, and for nothing here.

    Attributes:
        theta: θ, (seeds, P).
        state: what a step takes from earlier ones: (seeds, P) each, or a number for all seeds.
    """

    def __init__(self, theta: Tensor, **state: Tensor) -> None:
        self.theta, self.state = theta, state

    def step(self, gradient: Tensor) -> None:
        """Take one step against `gradient` (seeds, P), which is left as it is."""
        raise NotImplementedError


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

    def build(self, theta: Tensor) -> Optimizer:
        """Return an optimizer that updates `theta` (seeds, P) in place."""


def check_betas(betas: Sequence[float]) -> None:
    """Raise a UserError when the decay rates of Adam and its kin are out of their range."""
    if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
        raise UserError(f"optim.betas={list(betas)}: two numbers in [0, 1) are needed")


def moments(theta: Tensor) -> dict[str, Tensor]:
    """Return Adam's state: both moments, and the steps as a tensor, so none waits for a device."""
    first, second = torch.zeros_like(theta), torch.zeros_like(theta)
    return {"step": torch.zeros((), device=theta.device), "exp_avg": first, "exp_avg_sq": second}
