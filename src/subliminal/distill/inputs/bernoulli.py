"""Binary noise images."""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Interval
from torch import Tensor

from subliminal.config.hashing import Count
from subliminal.tensors.draws import Noise


@dataclass(frozen=True, kw_only=True)
class Bernoulli:
    """Every pixel 1 with probability p, else -1.

    Attributes:
        size: images per epoch.
        fresh: draw the images anew each epoch, instead of one fixed set.
        p: probability of 1, in (0, 1).
    """

    size: Count
    fresh: bool
    p: Annotated[float, Interval(gt=0, lt=1)]

    def fill(self, images: Tensor, noise: Noise) -> None:
        """Make the next images (seeds, images, pixels)."""
        noise.uniform_(images)
        torch.lt(images, self.p, out=images).mul_(2).sub_(1)
