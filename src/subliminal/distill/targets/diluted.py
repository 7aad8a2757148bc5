"""The teacher's logits on some of the images, and a clean model's on the others."""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from subliminal.config.hashing import OneOf, Share
from subliminal.distill.targets import Given, Targets, Variant


@dataclass(frozen=True, kw_only=True)
class Diluted(Targets):
    """The teacher's logits on a share of the images, drawn for each run; a source's on the rest.

    A run's images of a smaller share are among those of a larger one. Share 1 are the teacher's
    logits, share 0 the null. Without the clean examples they are `distill/targets=filtered
    distill.targets.score=random distill.targets.drop=<1 − share>`, the same images.

    Attributes:
        share: of the images, in [0, 1], on which the teacher answers.
        source: reference (the teacher's θ₀) | displaced (as far from it as the teacher, in a random
            direction).
    """

    share: Share
    source: Annotated[str, OneOf(("reference", "displaced"))]

    @property
    def variants(self) -> tuple[Variant, ...]:
        return (Variant(untaught=self.source),)

    def __call__(self, given: Given) -> Tensor:
        return torch.where(given.lowest(self.share), given.logits, given.others[0])
