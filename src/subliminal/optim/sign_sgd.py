"""Sign descent (Bernstein et al. 2018, "signSGD", arXiv 1802.04434)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from subliminal.config.hashing import Positive
from subliminal.optim.pace import Paced


@dataclass(frozen=True, kw_only=True)
class SignSGD(Paced):
    """θ ← θ − lr · sign(g): Adam without memory (β₁ = β₂ = 0, ε → 0).

    Every coordinate moves equally far, however small its gradient: what an adaptive optimizer
    makes of a small but consistent component, without the averages over steps.

    Attributes:
        lr: how far each coordinate moves in a step; one whose gradient is zero stays.
    """

    numerator: ClassVar[tuple[float, float]] = (0.0, 1.0)  # the gradient: sign(g) = g / |g|

    lr: Positive[float]

    def move(self, theta: Tensor, gradient: Tensor, state: dict[str, Tensor]) -> None:
        # torch calls the sign of NaN 0; a seed whose gradient is NaN must not go on.
        sign = torch.where(gradient.isnan(), gradient, gradient.sign())
        theta.sub_(sign, alpha=self.lr)
