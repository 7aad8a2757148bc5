"""The digits themselves, with labels for the losses that take them."""

from dataclasses import dataclass

import numpy as np

from subliminal.distill.inputs import FixedImages, choice


@dataclass(frozen=True, kw_only=True)
class MNISTDigits(FixedImages):
    """`size` training digits, each at most once unless more are asked for than there are."""

    def rows(self, digits: int, *, generator: np.random.Generator) -> np.ndarray:
        return choice(digits, self.size, generator)
