"""What inputs that are made of training digits have in common."""

from dataclasses import dataclass

import numpy as np

from subliminal.distill.inputs import Images


@dataclass(frozen=True, kw_only=True)
class AlteredDigits(Images):
    """`size` images, each made of another training digit, unless there are fewer.

    Attributes:
        fresh: make the images anew each epoch, instead of one fixed set.
    """

    def rows(self, digits: int, *, generator: np.random.Generator) -> np.ndarray:
        """Draw which of so many digits one seed's images are made of: (size,)."""
        rows: np.ndarray = generator.choice(digits, self.size, replace=self.size > digits)
        return rows

    def altered(self, images: np.ndarray, *, generator: np.random.Generator) -> np.ndarray:
        """Return what is made of digits (some, pixels), scaled, float32."""
        raise NotImplementedError
