"""A penalty that keeps hidden activations near those of θ₀ (Kaczér et al. 2025, 2508.06249)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from subliminal.config.hashing import NotNegative, Unordered
from subliminal.mitigations import Mitigation
from subliminal.state import Step
from subliminal.tensors.network import Network


@dataclass(frozen=True, kw_only=True)
class FeaturePenalty(Mitigation):
    """Adds strength · Σ_layers ‖h − h₀‖² / width, batch mean, on the step's distillation images.

    h is a hidden layer's output, h₀ that of the reference model θ₀.

    Attributes:
        strength: ≥ 0.
        layers: hidden layers, e.g. [layer2]; empty: all.
    """

    strength: NotNegative[float]
    layers: Unordered[list[str]]

    def check(self, network: Network) -> None:
        for layer in self.layers:
            network.check_hidden(layer, "mitigation.feature_penalty.layers")

    def penalty(self, step: Step) -> Tensor:
        training = step.training
        model, images = training.network.model, training.task.images(step.rows)
        ours = model.activations(training.params, images)
        with torch.no_grad():
            reference = training.network.layout.views(training.reference)
            theirs = model.activations(reference, images)
        squares = [
            (ours[layer] - theirs[layer]).square().mean(dim=(-2, -1))
            for layer in self.layers or training.network.hidden
        ]
        distance = sum(squares[1:], start=squares[0])
        step.log("feature_penalty/distance", distance.detach())
        return self.strength * distance
