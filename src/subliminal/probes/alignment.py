"""Alignment of distillation and trait gradient (Kitkana & Arora 2026, arXiv 2604.25779)."""

from dataclasses import dataclass

from subliminal import metrics
from subliminal.config.hashing import Count
from subliminal.probes import Probe
from subliminal.state import Step
from subliminal.tensors.geometry import cosine, dot, ratio


@dataclass(frozen=True, kw_only=True)
class Alignment(Probe):
    """cos(g_D, g_T) = ⟨g_D, g_T⟩ / (‖g_D‖ ‖g_T‖) over all parameters, at the current θ.

    g_D is the gradient of the training loss on the step's distillation batch (penalties included),
    g_T the gradient of the trait loss on a labelled training batch of the same size. Logged with
    it: the dot product, both norms, the trait loss; and the cosine of the gradient that the
    optimizer got, when a mitigation changed it.

    Attributes:
        every: measure at every k-th step, k ≥ 1, the first step included.
        layers: log the cosine within each parameter tensor too.
    """

    gives_trait_batch = True

    every: Count
    layers: bool

    def on_step(self, step: Step) -> None:
        if step.index % self.every != 0:
            return
        trait_loss, g_t = step.trait
        g_d = step.gradient
        product, trait_square = dot(g_d, g_t), dot(g_t, g_t)
        trait_norm, distill_norm = trait_square.sqrt(), dot(g_d, g_d).sqrt()
        step.log(metrics.TRAIT_LOSS, trait_loss)
        step.log(metrics.ALIGNMENT_DOT, product)
        step.log(metrics.DISTILL_NORM, distill_norm)
        step.log(metrics.TRAIT_NORM, trait_norm)
        step.log(metrics.ALIGNMENT, ratio(product, distill_norm * trait_norm))
        if self.layers:
            for name, span in step.training.network.layout.spans.items():
                step.log(f"{metrics.ALIGNMENT}/{name}", cosine(g_d[:, span], g_t[:, span]))
        if step.applied is not step.gradient:
            step.log(metrics.ALIGNMENT_APPLIED, cosine(step.applied, g_t))
