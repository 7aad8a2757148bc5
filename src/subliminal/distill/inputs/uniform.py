"""Uniform noise images (Cloud et al. 2025, arXiv 2507.14805)."""

from dataclasses import dataclass

from torch import Tensor

from subliminal.errors import UserError
from subliminal.tensors.draws import Noise


@dataclass(frozen=True, kw_only=True)
class Uniform:
    """Every pixel U[-1, 1), the range of the scaled digits.

    Attributes:
        size: images per epoch.
        fresh: draw the images anew each epoch, instead of one fixed set.
    """

    size: int
    fresh: bool

    def __post_init__(self) -> None:
        if self.size < 1:
            raise UserError(f"distill.inputs.size={self.size}: at least 1 image is needed")

    def fill(self, images: Tensor, noise: Noise) -> None:
        """Make the next images (seeds, images, pixels)."""
        noise.uniform_(images).mul_(2).sub_(1)
