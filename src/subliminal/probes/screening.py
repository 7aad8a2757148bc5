"""Whether the first update already goes where the teacher went: a screening for transfer."""

from dataclasses import dataclass

import torch

from subliminal import metrics
from subliminal.probes import Probe
from subliminal.probes.displacement import moves
from subliminal.state import Step
from subliminal.tensors.geometry import cosine, share


@dataclass(frozen=True, kw_only=True)
class Screening(Probe):
    """cos(Δθ, θ_T − θ₀) and ⟨Δθ, θ_T − θ₀⟩ / ‖θ_T − θ₀‖², Δθ the student's first update.

    What arXiv 2606.22019 screens with: one step of the student and the teacher's displacement,
    neither labels nor a trained student. Of networks that differ, the layers that both have.
    """

    def on_update(self, step: Step) -> None:
        if step.index == 0 and (pairs := moves(step.training).values()):
            student, teacher = (torch.cat(side, dim=1) for side in zip(*pairs, strict=True))
            step.log(metrics.SCREENING, cosine(student, teacher))
            step.log(metrics.SCREENING_SHARE, share(student, teacher))
