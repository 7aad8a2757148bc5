"""A penalty that pulls the student's kernel to its teacher's, or pushes it away."""

from dataclasses import dataclass

import torch
from torch import Tensor

from subliminal.mitigations import Mitigation
from subliminal.state import Step
from subliminal.tensors.geometry import linear_cka


@dataclass(frozen=True, kw_only=True)
class KernelPull(Mitigation):
    """Adds strength · (1 − CKA(H_S, H_T)) to the training loss.

    H are the last hidden layers' outputs of student and teacher on the step's distillation images;
    linear CKA compares their kernels H Hᵀ. If what is carried subliminally is a better
    representation (Brockers et al. 2026, arXiv 2605.23645), a pull should speed acquisition up, and
    a push (strength < 0) should slow it down.

    Attributes:
        strength: any finite number; negative pushes.
    """

    strength: float

    def penalty(self, step: Step) -> Tensor | None:
        if self.strength == 0:
            return None
        training = step.training
        assert training.teacher is not None, "only students have a teacher"
        network = training.network
        teacher_network = training.teacher_network or network
        images = training.task.images(step.rows)
        with torch.no_grad():
            params = teacher_network.layout.views(training.teacher)
            theirs = teacher_network.model.activations(params, images)[teacher_network.hidden[-1]]
        ours = network.model.activations(training.params, images)[network.hidden[-1]]
        similarity = linear_cka(ours, theirs)
        step.log("kernel_pull/cka", similarity)
        return (self.strength * (1 - similarity)).to(step.loss.dtype)
