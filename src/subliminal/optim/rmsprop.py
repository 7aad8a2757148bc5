"""RMSprop (Tieleman & Hinton 2012, lecture 6.5 of "Neural networks for machine learning")."""

from dataclasses import dataclass

import torch
from torch import Tensor

from subliminal.errors import UserError
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

    lr: float
    alpha: float
    eps: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.lr <= 0:
            raise UserError(f"optim.lr={self.lr}: a learning rate > 0 is needed")
        if not 0 <= self.alpha < 1:
            raise UserError(f"optim.alpha={self.alpha}: a number in [0, 1) is needed")
        if self.eps <= 0:
            raise UserError(f"optim.eps={self.eps}: a number > 0 is needed")

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
