"""Adam (Kingma & Ba 2015, arXiv 1412.6980); AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from subliminal.errors import UserError
from subliminal.optim import check_adam


@dataclass(frozen=True, kw_only=True)
class Adam:
    """Elementwise, hence independent for each seed of a stack.

    Attributes:
        lr: step size.
        betas: decay rates of the two moments, each in [0, 1).
        eps: added to the square root of the second moment.
        weight_decay: ≥ 0, decoupled from the gradient: θ ← (1 − lr · weight_decay) θ at each step.
    """

    lr: float
    betas: list[float]
    eps: float
    weight_decay: float

    def __post_init__(self) -> None:
        check_adam(self.lr, self.betas, self.eps)
        if self.weight_decay < 0:
            raise UserError(f"optim.weight_decay={self.weight_decay}: a number ≥ 0 is needed")

    @property
    def numerator(self) -> tuple[float, float] | None:
        """The first moment, unless weights decay."""
        beta1 = self.betas[0]
        return None if self.weight_decay else (beta1, 1 - beta1)

    def build(self, theta: Tensor) -> torch.optim.Optimizer:
        """Return the fused optimizer of `theta` (seeds, P)."""
        beta1, beta2 = self.betas
        return torch.optim.AdamW(
            [theta],
            lr=self.lr,
            betas=(beta1, beta2),
            eps=self.eps,
            weight_decay=self.weight_decay,
            fused=True,
        )
