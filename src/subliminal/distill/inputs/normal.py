"""Gaussian noise images."""

from dataclasses import dataclass

from torch import Tensor

from subliminal.config.hashing import Count, Positive
from subliminal.tensors.draws import Noise


@dataclass(frozen=True, kw_only=True)
class Normal:
    """Every pixel N(0, std²).

    Attributes:
        size: images per epoch.
        fresh: draw the images anew each epoch, instead of one fixed set.
        std: standard deviation > 0; 1/√3 ≈ 0.577 matches the variance of U[-1, 1).
    """

    size: Count
    fresh: bool
    std: Positive[float]

    def fill(self, images: Tensor, noise: Noise) -> None:
        """Make the next images (seeds, images, pixels)."""
        noise.normal_(images).mul_(self.std)
