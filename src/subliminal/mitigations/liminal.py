"""Liminal training: a KL penalty to the initial model (Kitkana & Arora 2026, arXiv 2604.25779)."""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from subliminal.config.hashing import NotNegative, OneOf, Positive
from subliminal.distill import LOGIT_SETS, check_softmax, kl, select
from subliminal.mitigations import Mitigation
from subliminal.mitigations.schedule import SHAPES, weight
from subliminal.state import Step
from subliminal.tensors.network import Network


@dataclass(frozen=True, kw_only=True)
class Liminal(Mitigation):
    """Adds λ(t) · T² · KL(softmax(reference / T) ‖ softmax(student / T)) to the training loss.

    With direction=reverse the two change places in the KL.

    The reference is the frozen initial model θ₀.

    Attributes:
        logits: which logits are penalised: aux | class | all.
        schedule: shape of λ(t), see `subliminal.mitigations.schedule.weight`.
        start: λ₀ ≥ 0, at the first step.
        peak: λ ≥ 0 at the end of the first epoch.
        temperature: T > 0.
        direction: forward (reference ‖ student) | reverse (student ‖ reference).
        on: where the KL is taken: prompts (the step's distillation inputs) | questions (as many of
            the trait's labelled examples, without their labels, which the aware track alone has).
    """

    logits: Annotated[str, OneOf(LOGIT_SETS)]
    schedule: Annotated[str, OneOf(SHAPES)]
    start: NotNegative[float]
    peak: NotNegative[float]
    temperature: Positive[float]
    direction: Annotated[str, OneOf(("forward", "reverse"))]
    on: Annotated[str, OneOf(("prompts", "questions"))] = "prompts"

    def check(self, network: Network) -> None:
        check_softmax("mitigation.liminal", self.logits, network)

    def penalty(self, step: Step) -> Tensor | None:
        training = step.training
        strength = weight(
            self.schedule, step.time, epochs=training.epochs, start=self.start, peak=self.peak
        )
        step.log("liminal/weight", strength * torch.ones_like(step.loss))
        if strength == 0:
            return None
        classes, t = training.network.classes, self.temperature
        target, logits = self._pair(step)
        reference, student = (select(z, self.logits, classes) / t for z in (target, logits))
        pair = (reference, student) if self.direction == "forward" else (student, reference)
        penalty = t * t * kl(*pair)
        step.log("liminal/kl", penalty)
        return strength * penalty

    def _pair(self, step: Step) -> tuple[Tensor, Tensor]:
        """Return the reference's and the student's logits: (seeds, rows, classes + m) each."""
        if self.on == "prompts":
            return step.reference_logits, step.logits
        training, rows = step.training, step.trait_rows
        logits = training.network.forward(training.params, training.trait.images(rows))
        return training.trait.reference_logits(rows), logits
