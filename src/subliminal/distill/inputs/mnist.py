"""The digits themselves; their labels are for the losses that ask for them."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from subliminal.config.hashing import Count


@dataclass(frozen=True, kw_only=True)
class MNISTDigits:
    """`size` training digits, each at most once unless more are asked for than there are.

    Attributes:
        size: images per epoch; a fixed set.
    """

    fresh: ClassVar[bool] = False

    size: Count

    def rows(self, digits: int, *, generator: np.random.Generator) -> np.ndarray:
        """Draw which of so many digits one seed sees: (size,)."""
        rows: np.ndarray = generator.choice(digits, self.size, replace=self.size > digits)
        return rows
