"""Stochastic gradient descent, plain or with (heavy-ball) momentum."""

from dataclasses import dataclass

import torch
from torch import Tensor

from subliminal.errors import UserError
from subliminal.optim import Optimizer
from subliminal.optim.pace import Paced


@dataclass(frozen=True, kw_only=True)
class SGD(Paced):
    """θ ← θ − lr · v with v ← momentum · v + g: the setting of the single-step theory.

    Attributes:
        lr: step size.
        momentum: in [0, 1); 0 is plain gradient descent.
    """

    lr: float
    momentum: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.lr <= 0:
            raise UserError(f"optim.lr={self.lr}: a learning rate > 0 is needed")
        if not 0 <= self.momentum < 1:
            raise UserError(f"optim.momentum={self.momentum}: a number in [0, 1) is needed")

    @property
    def numerator(self) -> tuple[float, float]:
        """The velocity v."""
        return self.momentum, 1.0

    def build(self, theta: Tensor) -> Optimizer:
        """Return the optimizer of `theta` (seeds, P)."""
        return _Fused(theta, self)


class _Fused(Optimizer):
    def __init__(self, theta: Tensor, optim: SGD) -> None:
        velocity = {"momentum_buffer": torch.zeros_like(theta)} if optim.momentum else {}
        super().__init__(theta, **velocity)
        self._optim = optim

    def step(self, gradient: Tensor) -> None:
        torch._fused_sgd_(
            [self.theta],
            [gradient],
            [*self.state.values()],
            weight_decay=0.0,
            momentum=self._optim.momentum,
            lr=self._optim.lr,
            dampening=0.0,
            nesterov=False,
            maximize=False,
            is_first_step=False,
        )
