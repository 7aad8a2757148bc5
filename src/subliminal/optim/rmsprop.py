"""RMSprop (Tieleman & Hinton 2012, lecture 6.5 of "Neural networks for machine learning")."""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Interval
from torch import Tensor

from subliminal.config.hashing import Positive
from subliminal.optim import Optimizer
from subliminal.optim.pace import Paced


@dataclass(frozen=True, kw_only=True)
class RMSprop(Paced):
    """Adam's second moment without its first, and without bias correction.

    Attributes:
        lr: step size.
        alpha: decay rate of the second moment, in [0, 1).
        eps: added to the square root of the second moment.
    """

    lr: Positive[float]
    alpha: Annotated[float, Interval(ge=0, lt=1)]
    eps: Positive[float]

    @property
    def numerator(self) -> tuple[float, float]:
        """The gradient itself."""
        return 0.0, 1.0

    def build(self, theta: Tensor) -> Optimizer:
        """Return the optimizer of `theta` (seeds, P)."""
        return _Elementwise(theta, self)


class _Elementwise(Optimizer):
    def __init__(self, theta: Tensor, optim: RMSprop) -> None:
        super().__init__(theta, square_avg=torch.zeros_like(theta))
        self._optim = optim

    def step(self, gradient: Tensor) -> None:
        optim, square = self._optim, self.state["square_avg"]
        square.mul_(optim.alpha).addcmul_(gradient, gradient, value=1 - optim.alpha)
        self.theta.addcdiv_(gradient, square.sqrt().add_(optim.eps), value=-optim.lr)
