"""Sign descent (Bernstein et al. 2018, "signSGD", arXiv 1802.04434)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from subliminal.config.hashing import Positive
from subliminal.optim import Optimizer
from subliminal.optim.pace import Paced


@dataclass(frozen=True, kw_only=True)
class SignSGD(Paced):
    """θ ← θ − lr · sign(g): Adam without memory (β₁ = β₂ = 0, ε → 0).

    Every coordinate moves equally far, however small its gradient: what an adaptive optimizer
    makes of a small but consistent component, without the averages over steps.

    Attributes:
        lr: how far each coordinate moves in a step; one whose gradient is zero stays.
    """

    lr: Positive[float]

    @property
    def numerator(self) -> tuple[float, float]:
        """The gradient itself: sign(g) = g / |g|."""
        return 0.0, 1.0

    def build(self, theta: Tensor) -> Optimizer:
        """Return the optimizer of `theta` (seeds, P)."""
        return _SignDescent(theta, self)


class _SignDescent(Optimizer):
    def __init__(self, theta: Tensor, optim: SignSGD) -> None:
        super().__init__(theta)
        self._optim = optim

    def step(self, gradient: Tensor) -> None:
        # torch calls the sign of NaN 0; a seed whose gradient is NaN must not go on.
        sign = torch.where(gradient.isnan(), gradient, gradient.sign())
        self.theta.sub_(sign, alpha=self._optim.lr)
