"""Distillation inputs, one kind a module."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from subliminal.config.hashing import Count


@dataclass(frozen=True, kw_only=True)
class Images:
    """`size` images an epoch.

    Attributes:
        size: images per epoch.
        fresh: draw the images anew each epoch, instead of one fixed set.
    """

    size: Count
    fresh: bool


class AlteredDigits(Images):
    """`size` images, each made by `altered` of another training digit, unless there are fewer.

    Attributes:
        fresh: make the images anew each epoch, instead of one fixed set.
    """

    def rows(self, digits: int, *, generator: np.random.Generator) -> np.ndarray:
        return choice(digits, self.size, generator)


@dataclass(frozen=True, kw_only=True)
class FixedImages:
    """`size` images, the same in each epoch.

    Attributes:
        size: images per epoch; a fixed set.
    """

    fresh: ClassVar[bool] = False

    size: Count


def choice(number: int, size: int, generator: np.random.Generator) -> np.ndarray:
    """Draw `size` of so many images, each at most once unless there are fewer: (size,)."""
    rows: np.ndarray = generator.choice(number, size, replace=size > number)
    return rows
