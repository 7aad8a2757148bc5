"""Displacement from the initial weights, student against teacher."""

from dataclasses import dataclass

import torch
from torch import Tensor

from subliminal import metrics
from subliminal.probes import Probe
from subliminal.probes.states import states
from subliminal.state import Training
from subliminal.tensors.geometry import cosine, norm, ratio


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
        if not (pairs := moves(training)):
            return
        student, teacher = (torch.cat(side, dim=1) for side in zip(*pairs.values(), strict=True))
        training.log(metrics.DISPLACEMENT, cosine(student, teacher))
        training.log(metrics.DISPLACEMENT_RATIO, ratio(norm(student), norm(teacher)))
        if self.layers:
            for name, (ours, theirs) in pairs.items():
                training.log(f"{metrics.DISPLACEMENT}/{name}", cosine(ours, theirs))


def moves(training: Training) -> dict[str, tuple[Tensor, Tensor]]:
    """Return θ_S − θ₀ and θ_T − θ₀ of each parameter tensor that both have: name to (seeds, n)."""
    teacher_start, teacher_now, student_start, student_now = states(training)
    ours, theirs = student_now.network.layout, teacher_now.network.layout
    student = student_now.theta - student_start.theta
    teacher = teacher_now.theta - teacher_start.theta
    return {
        name: (student[:, ours.spans[name]], teacher[:, theirs.spans[name]])
        for name, shape in ours.shapes.items()
        if theirs.shapes.get(name) == shape
    }
