"""Displacement from the initial weights, student against teacher."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from subliminal import metrics
from subliminal.probes import Probe
from subliminal.state import Training
from subliminal.tensors.geometry import cosine, norm


@dataclass(frozen=True, kw_only=True)
class Displacement(Probe):
    """cos(θ_S − θ₀, θ_T − θ₀) and ‖θ_S − θ₀‖ / ‖θ_T − θ₀‖, after each epoch.

    A student that starts elsewhere than its teacher has a θ₀ of its own; one of another
    architecture is measured on the layers that both have in the same shape.
    The inner product of the two displacements is what the theorem of Cloud et al. 2025
    (arXiv 2507.14805) shows to be non-negative for one small step.

    Attributes:
        layers: log the cosine of each parameter tensor too.
    """

    layers: bool

    def on_epoch_end(self, training: Training) -> None:
        """Log both."""
        pairs = moves(training)
        if not pairs:
            return
        student, teacher = (torch.cat(side, dim=1) for side in zip(*pairs.values(), strict=True))
        training.log(metrics.DISPLACEMENT, cosine(student, teacher))
        length = norm(teacher)
        ratio = torch.where(length > 0, norm(student) / length, 0.0)
        training.log(metrics.DISPLACEMENT_RATIO, ratio)
        if self.layers:
            for name, (ours, theirs) in pairs.items():
                training.log(f"{metrics.DISPLACEMENT}/{name}", cosine(ours, theirs))


def moves(training: Training) -> dict[str, tuple[Tensor, Tensor]]:
    """Return θ_S − θ₀ and θ_T − θ₀ of each parameter tensor that both have: name to (seeds, n)."""
    assert training.teacher is not None, "only students have a teacher"
    assert training.teacher_reference is not None, "it comes with the teacher"
    ours = training.network.layout
    theirs = ours if training.teacher_network is None else training.teacher_network.layout
    student = training.theta - training.reference
    teacher = training.teacher - training.teacher_reference
    return {
        name: (student[:, ours.spans[name]], teacher[:, theirs.spans[name]])
        for name, shape in ours.shapes.items()
        if theirs.shapes.get(name) == shape
    }
