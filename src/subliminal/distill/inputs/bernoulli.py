"""Binary noise images."""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Interval
from torch import Tensor

from subliminal.distill.inputs import Images
from subliminal.tensors.draws import Noise


@dataclass(frozen=True, kw_only=True)
class Bernoulli(Images):
    """Every pixel 1 with probability p, else -1.

    Attributes:
        p: probability of 1, in (0, 1).
    """

    p: Annotated[float, Interval(gt=0, lt=1)]

    def fill(self, images: Tensor, noise: Noise) -> None:
        noise.uniform_(images)
        torch.lt(images, self.p, out=images).mul_(2).sub_(1)
