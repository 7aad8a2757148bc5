"""Uniform noise images (Cloud et al. 2025, arXiv 2507.14805)."""

from dataclasses import dataclass

from torch import Tensor

from subliminal.distill.inputs import Images
from subliminal.errors import UserError
from subliminal.tensors.draws import Noise


@dataclass(frozen=True, kw_only=True)
class Uniform(Images):
    """Every pixel U[low, high); by default U[-1, 1), the range of the scaled digits.

    Attributes:
        low: the least value.
        high: the upper bound, > low.
    """

    low: float = -1.0
    high: float = 1.0

    def __post_init__(self) -> None:
        if self.low >= self.high:
            raise UserError(f"distill.inputs.low={self.low}: below high={self.high} is needed")

    def fill(self, images: Tensor, noise: Noise) -> None:
        noise.uniform_(images).mul_(self.high - self.low).add_(self.low)
