"""Stochastic gradient descent, plain or with (heavy-ball) momentum."""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Interval
from torch import Tensor

from subliminal.config.hashing import Positive
from subliminal.optim.pace import Paced


@dataclass(frozen=True, kw_only=True)
class SGD(Paced):
    """θ ← θ − lr · v with v ← momentum · v + g: the setting of the single-step theory.

    Attributes:
        lr: step size.
        momentum: in [0, 1); 0 is plain gradient descent.
    """

    lr: Positive[float]
    momentum: Annotated[float, Interval(ge=0, lt=1)]

    @property
    def numerator(self) -> tuple[float, float]:
        """The velocity v."""
        return self.momentum, 1.0

    def start(self, theta: Tensor) -> dict[str, Tensor]:
        return {"momentum_buffer": torch.zeros_like(theta)} if self.momentum else {}

    def move(self, theta: Tensor, gradient: Tensor, state: dict[str, Tensor]) -> None:
        torch._fused_sgd_(
            [theta],
            [gradient],
            [*state.values()],
            weight_decay=0.0,
            momentum=self.momentum,
            lr=self.lr,
            dampening=0.0,
            nesterov=False,
            maximize=False,
            is_first_step=False,
        )
