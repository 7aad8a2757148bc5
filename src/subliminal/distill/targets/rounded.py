"""Logits of few values."""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor

from subliminal.distill.targets import Given, Targets


@dataclass(frozen=True, kw_only=True)
class Rounded(Targets):
    """Each logit as the nearest of k values, evenly spaced over its own range.

    The range is that of the logit over the images of one seed. With `dither` one of the two values
    around it is drawn from the seed's own stream, such that its mean is the logit: k = 2 is then
    one bit a logit that is right on average.

    Attributes:
        levels: k ≥ 2.
        dither: draw, in place of rounding to the nearest.
    """

    levels: Annotated[int, Ge(2)]
    dither: bool

    def __call__(self, given: Given) -> Tensor:
        logits = given.logits
        low, high = logits.amin(dim=1, keepdim=True), logits.amax(dim=1, keepdim=True)
        step = (high - low) / (self.levels - 1)
        place = torch.where(step > 0, (logits - low) / step, 0.0)
        if self.dither:
            place = (place + given.noise.uniform_(torch.empty_like(logits))).floor()
        else:
            place = place.round()
        return low + step * place.clamp(max=self.levels - 1)
