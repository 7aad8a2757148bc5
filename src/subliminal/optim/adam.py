"""Adam (Kingma & Ba 2015, arXiv 1412.6980)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from subliminal.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Adam:
    """Elementwise, hence independent for each seed of a stack.

    Attributes:
        lr: step size.
        betas: decay rates of the two moments, each in [0, 1).
        eps: added to the square root of the second moment.
    """

    lr: float
    betas: list[float]
    eps: float

    def __post_init__(self) -> None:
        if self.lr <= 0:
            raise UserError(f"optim.lr={self.lr}: a learning rate > 0 is needed")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise UserError(f"optim.betas={list(self.betas)}: two numbers in [0, 1) are needed")
        if self.eps <= 0:
            raise UserError(f"optim.eps={self.eps}: a number > 0 is needed")

    def build(self, theta: Tensor) -> torch.optim.Optimizer:
        """Return the fused optimizer of `theta` (seeds, P)."""
        beta1, beta2 = self.betas
        return torch.optim.Adam([theta], lr=self.lr, betas=(beta1, beta2), eps=self.eps, fused=True)
