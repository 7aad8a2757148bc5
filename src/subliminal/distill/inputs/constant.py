"""Images with nothing in them."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from subliminal.distill import check_size
from subliminal.errors import UserError
from subliminal.tensors.draws import Noise


@dataclass(frozen=True, kw_only=True)
class Constant:
    """Every pixel of every image has one value: the least that a student can be distilled on.

    Attributes:
        size: images per epoch.
        value: of each pixel, in [-1, 1], the range of the scaled digits.
    """

    fresh: ClassVar[bool] = False

    size: int
    value: float

    def __post_init__(self) -> None:
        check_size(self.size)
        if not -1 <= self.value <= 1:
            raise UserError(f"distill.inputs.value={self.value}: a number in [-1, 1] is needed")

    def fill(self, images: Tensor, noise: Noise) -> None:
        """Make the next images (seeds, images, pixels)."""
        images.fill_(self.value)
