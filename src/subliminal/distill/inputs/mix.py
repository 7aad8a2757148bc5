"""Training digits in uniform noise."""

from dataclasses import dataclass

import numpy as np

from subliminal.distill.inputs.altered import AlteredDigits
from subliminal.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Mix(AlteredDigits):
    """x = α · digit + (1 − α) · noise, with noise U[-1, 1) in each pixel.

    α = 0 is noise as `distill/inputs=uniform` has it, α = 1 is `distill/inputs=mnist`.

    Attributes:
        alpha: α in [0, 1].
    """

    alpha: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.alpha <= 1:
            raise UserError(f"distill.inputs.alpha={self.alpha}: a number in [0, 1] is needed")

    def altered(self, images: np.ndarray, *, generator: np.random.Generator) -> np.ndarray:
        """Return digits (some, pixels) in noise, float32."""
        noise = 2 * generator.random(images.shape, dtype=np.float32) - 1
        mixed: np.ndarray = self.alpha * images + (1 - self.alpha) * noise
        return mixed
