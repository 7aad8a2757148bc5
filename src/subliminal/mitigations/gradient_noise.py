"""Isotropic noise, as large as what projection would remove."""

from dataclasses import dataclass

from torch import Tensor

from subliminal.mitigations.removal import Removal
from subliminal.state import Step
from subliminal.tensors.geometry import component, norm


@dataclass(frozen=True, kw_only=True)
class GradientNoise(Removal):
    """d ← d + ‖c‖ · u, with c the component of d that projection would remove.

    u is a unit vector, uniform on the sphere of all parameters, drawn anew each step.
    """

    def removed(self, descent: Tensor, step: Step) -> Tensor:
        trait_gradient = self.along(step)
        layout = step.training.network.layout
        noise = step.training.draws.normal("gradient_noise", layout.size, epoch=step.index)
        for start, end in layout.gaps:
            noise[:, start:end] = 0
        share = norm(component(descent, trait_gradient, self.sign)) / norm(noise)
        return -share.to(noise.dtype)[:, None] * noise
