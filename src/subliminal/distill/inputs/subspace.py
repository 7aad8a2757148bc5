"""Gaussian noise images in a random subspace."""

from dataclasses import dataclass

import numpy as np

from subliminal.config.hashing import Count, Positive
from subliminal.distill.inputs import FixedImages
from subliminal.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Subspace(FixedImages):
    """Gaussian noise in a random subspace of `dimensions`, which each seed draws for itself.

    x = std · √(pixels / k) · z B with z ~ N(0, 1)ᵏ and orthonormal rows of B, uniform over all
    subspaces: E‖x‖² = pixels · std² whatever k, and with k = pixels it is `distill/inputs=normal`.

    Attributes:
        dimensions: k, from 1 to the number of pixels.
        std: root mean square of the pixels, > 0; 1/√3 ≈ 0.577 matches U[-1, 1).
    """

    dimensions: Count
    std: Positive[float]

    def fits(self, pixels: int) -> None:
        if self.dimensions > pixels:
            raise UserError(
                f"distill.inputs.dimensions={self.dimensions}: at most {pixels}, the pixels of an "
                "image"
            )

    def draw(self, pixels: int, *, generator: np.random.Generator) -> np.ndarray:
        basis, _ = np.linalg.qr(generator.standard_normal((pixels, self.dimensions)))
        scale = self.std * np.sqrt(pixels / self.dimensions)
        z = generator.standard_normal((self.size, self.dimensions), dtype=np.float32)
        images: np.ndarray = z @ (scale * basis.T).astype(np.float32)
        return images
