"""How large gradients are, layer by layer."""

from dataclasses import dataclass

from subliminal import metrics
from subliminal.config.hashing import Count
from subliminal.probes import Probe
from subliminal.state import Step
from subliminal.tensors.geometry import norm


@dataclass(frozen=True, kw_only=True)
class GradientNorms(Probe):
    """‖g_D‖ of each parameter tensor, and on request ‖g_T‖.

    g_D is the gradient of the training loss on the step's distillation batch (penalties included),
    g_T that of the trait loss on a labelled batch of the same size. `probe=alignment` has the norms
    over all parameters.

    Attributes:
        every: measure at every k-th step, k ≥ 1, the first step included.
        trait: measure the trait gradient too, which costs a pass if nothing else needs it.
    """

    every: Count
    trait: bool

    def on_step(self, step: Step) -> None:
        if step.index % self.every != 0:
            return
        gradients = {metrics.GRADIENT_NORM: step.gradient}
        if self.trait:
            gradients[metrics.GRADIENT_NORM_TRAIT] = step.trait[1]
        for metric, gradient in gradients.items():
            for name, span in step.training.network.layout.spans.items():
                step.log(f"{metric}/{name}", norm(gradient[:, span]))
