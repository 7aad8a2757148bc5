"""Training digits in uniform noise."""

from dataclasses import dataclass

import numpy as np

from subliminal.config.hashing import Share
from subliminal.distill.inputs import AlteredDigits


@dataclass(frozen=True, kw_only=True)
class Mix(AlteredDigits):
    """x = α · digit + (1 − α) · noise, with noise U[-1, 1) in each pixel.

    α = 0 is noise as `distill/inputs=uniform` has it, α = 1 is `distill/inputs=mnist`.

    Attributes:
        alpha: α in [0, 1].
    """

    alpha: Share

    def altered(self, images: np.ndarray, *, generator: np.random.Generator) -> np.ndarray:
        noise = 2 * generator.random(images.shape, dtype=np.float32) - 1
        mixed: np.ndarray = self.alpha * images + (1 - self.alpha) * noise
        return mixed
