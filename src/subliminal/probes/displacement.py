"""Displacement from the initial weights, student against teacher."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from subliminal import metrics
from subliminal.geometry import cosine, norm
from subliminal.probes import Probe

if TYPE_CHECKING:
    from subliminal.loop import Training


@dataclass(frozen=True, kw_only=True)
class Displacement(Probe):
    """cos(θ_S − θ₀, θ_T − θ₀) and ‖θ_S − θ₀‖ / ‖θ_T − θ₀‖, after each epoch.

    A student that starts elsewhere than its teacher has a θ₀ of its own.
    The inner product of the two displacements is what the theorem of Cloud et al. 2025
    (arXiv 2507.14805) shows to be non-negative for one small step.

    Attributes:
        layers: log the cosine of each parameter tensor too.
    """

    layers: bool

    def on_epoch_end(self, training: Training) -> None:
        """Log both."""
        assert training.teacher is not None, "only students have a teacher"
        assert training.teacher_reference is not None, "it comes with the teacher"
        student = training.theta - training.reference
        teacher = training.teacher - training.teacher_reference
        training.log(metrics.DISPLACEMENT, cosine(student, teacher))
        length = norm(teacher)
        ratio = torch.where(length > 0, norm(student) / length, 0.0)
        training.log(metrics.DISPLACEMENT_RATIO, ratio)
        if self.layers:
            for name, span in training.network.layout.spans.items():
                part = cosine(student[:, span], teacher[:, span])
                training.log(f"{metrics.DISPLACEMENT}/{name}", part)
