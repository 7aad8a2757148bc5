"""Adam (Kingma & Ba 2015, arXiv 1412.6980), with either of two weight decays.

Coupled decay is an L2 penalty: it is added to the gradient, and Adam then divides it by the
gradient's size. Where gradients are as small as those of distillation on a few auxiliary logits,
that makes it strong. Decoupled decay (AdamW: Loshchilov & Hutter 2019, arXiv 1711.05101) shrinks
the weights beside the step, by lr · weight_decay. PyTorch's `Adam` couples, its `AdamW` does not.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from subliminal.config.hashing import NotNegative
from subliminal.errors import UserError
from subliminal.optim.pace import WithMoments


@dataclass(frozen=True, kw_only=True)
class Adam(WithMoments):
    """Elementwise, hence independent for each seed of a stack.

    Attributes:
        weight_decay: λ ≥ 0, of all weights and biases that are trained.
        decoupled_weight_decay: true: θ ← (1 − lr · λ) θ before each step (torch.optim.AdamW);
            false: the gradient is g + λ θ (torch.optim.Adam); null: to be said where λ > 0.
    """

    weight_decay: NotNegative[float]
    decoupled_weight_decay: bool | None = True  # as in runs that recorded no such key

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weight_decay and self.decoupled_weight_decay is None:
            raise UserError(
                f"optim.weight_decay={self.weight_decay}: there are two, so add "
                "optim.decoupled_weight_decay=false (an L2 penalty, as torch.optim.Adam has it) or "
                "=true (torch.optim.AdamW; that of optim=adamw)"
            )

    @staticmethod
    def equivalent(values: dict[str, Any]) -> dict[str, Any]:
        """Return values that give the same numbers, and by which they are named."""
        return values if values["weight_decay"] else values | {"decoupled_weight_decay": True}

    @property
    def numerator(self) -> tuple[float, float] | None:
        return None if self.weight_decay else super().numerator

    def move(self, theta: Tensor, gradient: Tensor, state: dict[str, Tensor]) -> None:
        coupled = self.weight_decay > 0 and not self.decoupled_weight_decay
        kernel = torch._fused_adam_ if coupled else torch._fused_adamw_
        kernel(
            [theta],
            [gradient],
            [state["exp_avg"]],
            [state["exp_avg_sq"]],
            [],
            [state["step"].add_(1)],
            lr=self.lr,
            beta1=self.betas[0],
            beta2=self.betas[1],
            weight_decay=self.weight_decay,
            eps=self.eps,
            amsgrad=False,
            maximize=False,
        )
