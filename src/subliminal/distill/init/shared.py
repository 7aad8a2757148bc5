"""The student starts where its teacher started, exactly or nearly."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from subliminal import streams
from subliminal.errors import UserError
from subliminal.network import Network


@dataclass(frozen=True, kw_only=True)
class Shared:
    """θ₀ + perturbation · ε with ε ~ N(0, 1) for each parameter: the setting of the theory.

    Source: Cloud et al. 2025 (arXiv 2507.14805); the perturbation asks how near is near enough.

    Attributes:
        perturbation: standard deviation σ ≥ 0 of the noise; for scale, the first layer's initial
            weights have 1/28 ≈ 0.036.
    """

    perturbation: float

    def __post_init__(self) -> None:
        if self.perturbation < 0:
            raise UserError(
                f"distill.init.perturbation={self.perturbation}: a number ≥ 0 is needed"
            )

    def start(self, network: Network, reference: Tensor, seeds: tuple[int, ...]) -> Tensor:
        """Return the student's initial weights (seeds, P)."""
        if self.perturbation == 0:
            return reference
        noise = [
            streams.stream(seed, streams.PERTURBATION).standard_normal(
                network.layout.size, dtype=np.float32
            )
            for seed in seeds
        ]
        drawn = torch.from_numpy(np.stack(noise)).to(reference.device)
        for start, end in network.layout.gaps:
            drawn[:, start:end] = 0
        return reference + self.perturbation * drawn
