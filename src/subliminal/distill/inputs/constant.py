"""Images with nothing in them."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Interval
from torch import Tensor

from subliminal.distill.inputs import FixedImages
from subliminal.tensors.draws import Noise


@dataclass(frozen=True, kw_only=True)
class Constant(FixedImages):
    """Every pixel of every image has one value: the least that a student can be distilled on.

    Attributes:
        value: of each pixel, in [-1, 1], the range of the scaled digits.
    """

    value: Annotated[float, Interval(ge=-1, le=1)]

    def fill(self, images: Tensor, noise: Noise) -> None:
        images.fill_(self.value)
