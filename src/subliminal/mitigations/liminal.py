"""Liminal training: a KL penalty to the initial model (Kitkana & Arora 2026, arXiv 2604.25779)."""

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from subliminal.config.hashing import NotNegative, OneOf, Positive
from subliminal.distill import LOGIT_SETS, check_softmax, kl, select
from subliminal.mitigations import Mitigation
from subliminal.state import Step
from subliminal.tensors.network import Network

SHAPES = (
    *("linear_decay", "critical_period", "constant"),
    *("cosine", "rising", "falling", "end_anchor"),
)


@dataclass(frozen=True, kw_only=True)
class Liminal(Mitigation):
    """Adds λ(t) · T² · KL(softmax(reference / T) ‖ softmax(student / T)) to the training loss.

    With direction=reverse the two change places in the KL.

    The reference is the frozen initial model θ₀.

    Attributes:
        logits: which logits are penalised: aux | class | all.
        schedule: shape of λ(t), see `subliminal.mitigations.liminal.weight`.
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
        if self.on == "prompts":
            target, logits = step.reference_logits, step.logits
        else:
            images = training.trait.images(step.trait_rows)
            target = training.trait.reference_logits(step.trait_rows)
            logits = training.network.forward(training.params, images)
        reference, student = (select(z, self.logits, classes) / t for z in (target, logits))
        pair = (reference, student) if self.direction == "forward" else (student, reference)
        penalty = t * t * kl(*pair)
        step.log("liminal/kl", penalty)
        return strength * penalty


def weight(shape: str, time: float, *, epochs: int, start: float, peak: float) -> float:
    """Return the weight λ(t) at time t in [0, 1] of a training of `epochs` epochs.

    With c = 1 / epochs the end of the first epoch (the critical period):

    - in the first epoch `linear_decay` and `critical_period` go linearly from `start` (at t = 0)
      to `peak` (at t = c); with start = peak they are flat;
    - then `linear_decay` goes linearly to 0 at t = 1, and `critical_period` is 0;
    - `constant` is `peak` throughout, `cosine` is peak · (1 + cos πt) / 2;
    - `rising` is peak · t, `falling` peak · (1 − t);
    - `end_anchor` is `peak` in the last epoch and 0 before.

    In the names of Yanagisawa et al. 2025 (ResponsibleFM workshop, NeurIPS 2025) `linear_decay` is
    the liminal schedule and `critical_period` the anchor; the others have their names.

    Source: Kitkana & Arora 2026 (arXiv 2604.25779), liminal training; Yanagisawa et al. 2025.
    """
    critical = 1 / epochs
    if shape == "constant":
        return peak
    if shape == "cosine":
        return peak * (1 + math.cos(math.pi * time)) / 2
    if shape == "rising":
        return peak * time
    if shape == "falling":
        return peak * (1 - time)
    if shape == "end_anchor":
        # Not 1 − 1/epochs: this rounds as step / steps does, so the epoch starts on its first step.
        return peak if time >= (epochs - 1) / epochs else 0.0
    if time < critical:
        return start + (peak - start) * time / critical
    if shape == "critical_period":
        return 0.0
    return peak * (1 - time) / (1 - critical)
