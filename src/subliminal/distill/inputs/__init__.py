"""Distillation inputs, one kind a module."""

from dataclasses import dataclass
from typing import ClassVar

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


@dataclass(frozen=True, kw_only=True)
class FixedImages:
    """`size` images, the same in each epoch.

    Attributes:
        size: images per epoch; a fixed set.
    """

    fresh: ClassVar[bool] = False

    size: Count
