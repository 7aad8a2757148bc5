"""Uniform noise images (Cloud et al. 2025, arXiv 2507.14805)."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from subliminal.errors import UserError


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

    def draw(self, digits: Tensor, *, generator: np.random.Generator) -> np.ndarray:
        """Draw one seed's images: (size, pixels), float32."""
        images = generator.random((self.size, digits.shape[1]), dtype=np.float32)
        images *= 2
        images -= 1
        return images
