"""Binary noise images."""

from dataclasses import dataclass

import torch
from torch import Tensor

from subliminal.distill import check_size
from subliminal.errors import UserError
from subliminal.tensors.draws import Noise


@dataclass(frozen=True, kw_only=True)
class Bernoulli:
    """Every pixel 1 with probability p, else -1.

    Attributes:
        size: images per epoch.
        fresh: draw the images anew each epoch, instead of one fixed set.
        p: probability of 1, in (0, 1).
    """

    size: int
    fresh: bool
    p: float

    def __post_init__(self) -> None:
        check_size(self.size)
        if not 0 < self.p < 1:
            raise UserError(f"distill.inputs.p={self.p}: a probability in (0, 1) is needed")

    def fill(self, images: Tensor, noise: Noise) -> None:
        """Make the next images (seeds, images, pixels)."""
        noise.uniform_(images)
        torch.lt(images, self.p, out=images).mul_(2).sub_(1)
