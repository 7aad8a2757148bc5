"""Noise on the teacher's logits."""

from dataclasses import dataclass

import torch
from torch import Tensor

from subliminal.config.hashing import NotNegative
from subliminal.distill.targets import Given, Targets


@dataclass(frozen=True, kw_only=True)
class Gaussian(Targets):
    """z + σ s ε, ε ~ N(0, 1) for each logit of each image, from the seed's own stream.

    s is the standard deviation of that seed's logits over images and logits, of the class logits
    and of the auxiliary ones apart, so that σ means the same for every teacher. Drawn once for
    fixed images, anew for fresh ones.

    Attributes:
        sigma: σ ≥ 0, in standard deviations of the logits.
    """

    sigma: NotNegative[float]

    def __call__(self, given: Given) -> Tensor:
        noise = given.noise.normal_(torch.empty_like(given.logits))
        parts = []
        for head, of_head in given.by_head(given.logits, noise):
            spread = head.flatten(1).std(dim=1)[:, None, None]
            parts.append(head + self.sigma * spread * of_head)
        return torch.cat(parts, dim=-1)
