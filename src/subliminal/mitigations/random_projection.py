"""The control of projection: as much is removed, along a random direction."""

from dataclasses import dataclass

import torch
from torch import Tensor

from subliminal.mitigations.removal import Removal
from subliminal.state import Step
from subliminal.tensors.geometry import component, norm, ratio


@dataclass(frozen=True, kw_only=True)
class RandomProjection(Removal):
    """d ← d − ‖c‖ · r, with c the component of d that projection would remove.

    r is a random unit vector, drawn anew each step, with the trait gradient's share of the norm in
    each parameter tensor: only the direction within the tensors differs from projection's.
    """

    def removed(self, descent: Tensor, step: Step) -> Tensor:
        trait_gradient = self.along(step)
        layout = step.training.network.layout
        noise = step.training.draws.normal("random_projection", layout.size, epoch=step.index)
        direction = torch.zeros_like(descent)
        for span in layout.spans.values():
            part = noise[:, span]
            scale = norm(trait_gradient[:, span]) / norm(part)
            direction[:, span] = part * scale.to(part.dtype)[:, None]
        length = norm(direction)
        size = norm(component(descent, trait_gradient, self.sign))
        return ratio(size, length).to(descent.dtype)[:, None] * direction
