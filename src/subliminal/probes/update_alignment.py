"""Alignment of the applied update: what the optimizer makes of the gradient's alignment."""

from dataclasses import dataclass

from subliminal import metrics
from subliminal.config.hashing import Count
from subliminal.probes import Probe
from subliminal.state import Step
from subliminal.tensors.geometry import cosine


@dataclass(frozen=True, kw_only=True)
class UpdateAlignment(Probe):
    """cos(−Δθ, g_T) of the update that was applied, with g_T on the step's labelled batch.

    Positive where the step lowers the trait loss, to first order. For plain gradient descent it is
    the gradient's alignment; an adaptive optimizer rescales each coordinate.

    Attributes:
        every: measure at every k-th step, k ≥ 1, the first step included.
    """

    every: Count

    def on_step(self, step: Step) -> None:
        if step.index % self.every == 0:
            _ = step.trait

    def on_update(self, step: Step) -> None:
        if step.index % self.every == 0:
            step.log(metrics.UPDATE_ALIGNMENT, cosine(-step.update, step.trait[1]))
