"""Gaussian noise images."""

from dataclasses import dataclass

from torch import Tensor

from subliminal.config.hashing import Positive
from subliminal.distill.inputs import Images
from subliminal.tensors.draws import Noise


@dataclass(frozen=True, kw_only=True)
class Normal(Images):
    """Every pixel N(0, std²).

    Attributes:
        std: standard deviation > 0; 1/√3 ≈ 0.577 matches the variance of U[-1, 1).
    """

    std: Positive[float]

    def fill(self, images: Tensor, noise: Noise) -> None:
        noise.normal_(images).mul_(self.std)
