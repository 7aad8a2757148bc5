"""Noise on the trained student's weights (Brockers et al. 2026, arXiv 2605.23645)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from subliminal.config.hashing import Unordered
from subliminal.config.schema import Perturbation
from subliminal.mitigations import AtEnd
from subliminal.state import Step, Training
from subliminal.tensors.network import Network
from subliminal.tensors.perturbation import check, perturbed


@dataclass(frozen=True, kw_only=True)
class FinalNoise(AtEnd):
    """After the last step θ + σ ε, ε ~ N(0, 1), from each seed's own stream.

    `distill.perturb_before` does so before the first; `probe=perturbed` measures without changing
    what is kept.

    Attributes:
        sigma: σ ≥ 0.
        layers: e.g. `[class]`; empty: all.
        tensors: all | weight | bias.
    """

    sigma: float
    layers: Unordered[list[str]]
    tensors: str

    def check(self, network: Network) -> None:
        check(self._noise, network.layout, "mitigation.final_noise")

    @property
    def _noise(self) -> Perturbation:
        return Perturbation(sigma=self.sigma, layers=self.layers, tensors=self.tensors)

    def penalty(self, step: Step) -> None:
        """Add nothing; the noise is drawn and copied to a device as the first step begins."""
        self._drawn(step.training)

    def changed(self, theta: Tensor, step: Step) -> Tensor:
        return theta + self._drawn(step.training)

    def _drawn(self, training: Training) -> Tensor:
        def draw() -> Tensor:
            nothing, layout = torch.zeros(training.theta.shape), training.network.layout
            return perturbed(nothing, self._noise, layout, training.seeds, moment="student end")

        return training.once("final_noise", draw)
