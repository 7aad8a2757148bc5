"""Gradient descent in the metric that a short Adam run found, which then stays as it is.

Source: Blank et al. 2026 (arXiv 2606.00995) ask whether it is the adaptation or the metric that
lets an adaptive optimizer transfer a steering vector; Adam is that of Kingma & Ba 2015
(arXiv 1412.6980).
"""

from dataclasses import dataclass
from math import log

import torch
from torch import Tensor

from subliminal.config.hashing import Count
from subliminal.optim.pace import WithMoments


@dataclass(frozen=True, kw_only=True)
class PreconditionedSGD(WithMoments):
    """Adam for the first steps; from then on SGD with momentum, preconditioned by its √v.

    With t = 1, 2, … and s = min(t, steps), the first and second moment and the update are

        m ← β₁ m + (1 − β₁) g,    v ← β₂ v + (1 − β₂) g²  while t ≤ steps, else v,
        θ ← θ − lr · m̂ / (√v̂ + ε),    m̂ = m / (1 − β₁ᵗ),    v̂ = v / (1 − β₂ˢ).

    So the first `steps` updates are Adam's, and those after them are linear in the gradients.

    Attributes:
        lr: step size, of both parts.
        betas: decay rates of the two moments, each in [0, 1); β₁ = 0: no momentum.
        steps: ≥ 1, updates of the Adam run; the second moment is frozen after it.
    """

    steps: Count

    def move(self, theta: Tensor, gradient: Tensor, state: dict[str, Tensor]) -> None:
        (beta1, beta2), first, second = self.betas, state["exp_avg"], state["exp_avg_sq"]
        count = state["step"].add_(1)
        first.lerp_(gradient, 1 - beta1)
        # Weight 0 leaves the second moment to the last bit as it is.
        second.lerp_(gradient.square(), (count <= self.steps) * (1 - beta2))
        root = (second / _unbias(beta2, count.clamp(max=self.steps))).sqrt_().add_(self.eps)
        theta.sub_(first / _unbias(beta1, count) / root, alpha=self.lr)


def _unbias(beta: float, count: Tensor) -> Tensor:
    """Return 1 − βᵗ, exact for β near 1 in float32 too."""
    return -torch.expm1(count * log(beta)) if beta else torch.ones_like(count)
