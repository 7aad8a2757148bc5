"""Training digits whose pixels are shuffled."""

from dataclasses import dataclass

import numpy as np

from subliminal.distill.inputs import AlteredDigits


@dataclass(frozen=True, kw_only=True)
class Shuffled(AlteredDigits):
    """Each image has the pixels of a training digit, in a random order of its own.

    So it has the digit's histogram, and nothing of its shape.
    """

    def altered(self, images: np.ndarray, *, generator: np.random.Generator) -> np.ndarray:
        return generator.permuted(images, axis=1)
