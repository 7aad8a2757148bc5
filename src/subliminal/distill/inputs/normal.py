"""Gaussian noise images."""

from dataclasses import dataclass

from torch import Tensor

from subliminal.distill import check_size
from subliminal.errors import UserError
from subliminal.tensors.draws import Noise


@dataclass(frozen=True, kw_only=True)
class Normal:
    """Every pixel N(0, std²).

    Attributes:
        size: images per epoch.
        fresh: draw the images anew each epoch, instead of one fixed set.
        std: standard deviation > 0; 1/√3 ≈ 0.577 matches the variance of U[-1, 1).
    """

    size: int
    fresh: bool
    std: float

    def __post_init__(self) -> None:
        check_size(self.size)
        if self.std <= 0:
            raise UserError(f"distill.inputs.std={self.std}: a number > 0 is needed")

    def fill(self, images: Tensor, noise: Noise) -> None:
        """Make the next images (seeds, images, pixels)."""
        noise.normal_(images).mul_(self.std)
