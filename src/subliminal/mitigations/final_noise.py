"""Noise on the trained student's weights (Brockers et al. 2026, arXiv 2605.23645)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from subliminal.config.marks import Unordered
from subliminal.config.schema import Perturbation
from subliminal.mitigations.at_end import AtEnd
from subliminal.state import Step
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
        """Raise a UserError when a value is out of range or names a layer that is not there."""
        check(self._noise, network.layout, "mitigation.final_noise")

    @property
    def _noise(self) -> Perturbation:
        return Perturbation(sigma=self.sigma, layers=self.layers, tensors=self.tensors)

    def changed(self, theta: Tensor, step: Step) -> Tensor:
        """Return the noisy weights."""
        training = step.training
        noise = training.once(
            "final_noise",
            lambda: perturbed(
                theta.new_zeros(theta.shape, device="cpu"),
                self._noise,
                training.network.layout,
                training.seeds,
                moment="student end",
            ),
        )
        return theta + noise
