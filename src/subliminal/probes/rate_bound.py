"""The largest rate at which a step of plain gradient descent on the teacher's outputs teaches."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from subliminal import metrics
from subliminal.config.hashing import Count
from subliminal.probes import Probe
from subliminal.state import Step
from subliminal.tensors.geometry import widest

MOST, BISECTIONS = 24, 10  # of factors of 2, without which there is no bound; of the last one


@dataclass(frozen=True, kw_only=True)
class RateBound(Probe):
    """The rate η at which the trait loss is back at its value: L_T(θ − η g_D) = L_T(θ).

    With g_D the gradient of the step's training loss (penalties included) and L_T the trait loss on
    its labelled batch, a step of plain gradient descent changes L_T by −η ⟨g_D, g_T⟩ to first
    order. Where the alignment is positive, L_T falls at every rate below a bound, bracketed by
    doubling or halving, then bisected in log η: `rate_bound/measured`; NaN elsewhere.
    `rate_bound/second_order` is 2 ⟨g_D, g_T⟩ / (g_Dᵀ H_T g_D), H_T the Hessian of L_T; NaN also
    where that curvature is not positive.

    Attributes:
        every: measure before every k-th update, k ≥ 1, the first one included.
    """

    every: Count

    def on_step(self, step: Step) -> None:
        if step.index % self.every != 0:
            return
        training, rows = step.training, step.trait_rows
        wide = widest(training.theta.device)  # a small alignment's fall is lost in float32
        theta, direction = training.theta.to(wide), step.gradient.to(wide)
        x = training.trait.images(rows).to(wide)

        def loss(rate: Tensor) -> Tensor:  # both (seeds,)
            moved = training.network.layout.views(theta - rate[:, None] * direction)
            return training.trait.loss(training.network.forward(moved, x), rows)

        rate = theta.new_zeros(len(theta), requires_grad=True)
        now = loss(rate)
        (slope,) = torch.autograd.grad(now.sum(), rate, create_graph=True)  # −⟨g_D, g_T⟩
        (curvature,) = torch.autograd.grad(slope.sum(), rate)  # g_Dᵀ H_T g_D
        predicted = torch.where(slope < 0, -2 * slope / curvature, torch.nan).detach()
        step.log(metrics.RATE_BOUND, _bound(lambda r: loss(r) < now, predicted.abs()))
        step.log(metrics.RATE_SECOND, torch.where(predicted > 0, predicted, torch.nan))


@torch.no_grad()
def _bound(falls: Callable[[Tensor], Tensor], guess: Tensor) -> Tensor:
    """Return the rate beside `guess` up to which `falls` holds, per seed: (seeds,)."""
    up = falls(guess)
    factor = torch.where(up, 2.0, 0.5).to(guess)
    low = guess
    for _ in range(MOST):
        going = (falls(low * factor) == up) & ~guess.isnan()
        low = torch.where(going, low * factor, low)  # never looked at: a device is not waited for
    low = torch.where(up, low, low / 2)
    for exponent in range(1, BISECTIONS + 1):
        middle = low * 2 ** (0.5**exponent)
        low = torch.where(falls(middle), middle, low)
    return torch.where(going, torch.nan, low)
