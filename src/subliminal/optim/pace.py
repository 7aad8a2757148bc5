"""How large an optimizer's steps are as training goes on, and how large gradients may be.

The schedules are those of `torch.optim.lr_scheduler`, stepped after each update.
"""

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from subliminal.config.hashing import NotNegative, OneOf, Positive
from subliminal.errors import UserError
from subliminal.optim import Optimizer
from subliminal.tensors.geometry import norm

SCHEDULES = ("constant", "cosine", "linear")
_EPS = 1e-6  # as torch.nn.utils.clip_grad_norm_ adds to the norm


@dataclass(frozen=True, kw_only=True)
class Paced:
    """The learning rate is lr · pace(t) at the step after t updates, and gradients are clipped.

    Subclasses define `move`, and `start` where a step depends on earlier ones.

    With w = warmup and T updates in all, pace(t) = (t + 1) / (w + 1) while t < w (LinearLR with
    start_factor = 1 / (w + 1), total_iters = w), and then, with u = (t − w) / (T − w),

    - constant: 1,
    - cosine: (1 + cos πu) / 2 (CosineAnnealingLR with T_max = T − w; Loshchilov & Hutter 2017,
      arXiv 1608.03983),
    - linear: 1 − u (LinearLR to end_factor = 0, total_iters = T − w).

    Attributes:
        schedule: constant | cosine | linear.
        warmup: w ≥ 0, updates.
        clip: largest norm > 0 of a seed's gradient, over all parameters, once mitigations have
            changed it; a longer one is scaled down, as torch.nn.utils.clip_grad_norm_ does. null:
            any.
    """

    schedule: Annotated[str, OneOf(SCHEDULES)] = "constant"
    warmup: NotNegative[int] = 0
    clip: Positive[float | None] = None

    def build(self, theta: Tensor) -> Optimizer:
        return Optimizer(theta, self.move, self.start(theta))

    def start(self, theta: Tensor) -> dict[str, Tensor]:
        """Return the state before the first step; see `Optimizer.state`."""
        return {}

    def move(self, theta: Tensor, gradient: Tensor, state: dict[str, Tensor]) -> None:
        """Take one step against `gradient` (seeds, P): change θ and the state in place."""
        raise NotImplementedError

    @property
    def varies(self) -> bool:
        """Whether the learning rate is not the same at all steps."""
        return self.schedule != "constant" or self.warmup > 0

    def pace(self, index: int, steps: int) -> float:
        """Return the factor of the learning rate after `index` of so many updates."""
        if index < self.warmup:
            return (index + 1) / (self.warmup + 1)
        if self.schedule == "constant":
            return 1.0
        done = (index - self.warmup) / (steps - self.warmup)
        return 1 - done if self.schedule == "linear" else (1 + math.cos(math.pi * done)) / 2

    def clipped(self, gradient: Tensor) -> Tensor:
        """Return the gradient (seeds, P), of norm `clip` where it was longer."""
        if self.clip is None:
            return gradient
        shrink = torch.clamp(self.clip / (norm(gradient) + _EPS), max=1.0)
        return gradient * shrink[:, None]


@dataclass(frozen=True, kw_only=True)
class WithMoments(Paced):
    """Divides a running mean of gradients by the root of one of their squares.

    Attributes:
        lr: step size.
        betas: decay rates of the two moments, each in [0, 1).
        eps: added to the square root of the second moment.
    """

    lr: Positive[float]
    betas: list[float]
    eps: Positive[float]

    def __post_init__(self) -> None:
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise UserError(f"optim.betas={list(self.betas)}: two numbers in [0, 1) are needed")

    @property
    def numerator(self) -> tuple[float, float] | None:
        """The first moment."""
        beta1 = self.betas[0]
        return beta1, 1 - beta1

    def start(self, theta: Tensor) -> dict[str, Tensor]:
        """Return both moments, and the steps as a tensor, so none waits for a device."""
        first, second = torch.zeros_like(theta), torch.zeros_like(theta)
        step = torch.zeros((), device=theta.device)
        return {"step": step, "exp_avg": first, "exp_avg_sq": second}
