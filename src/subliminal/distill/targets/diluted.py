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
    logits, share 0 the null. `source=none` is the same dose without the clean examples: as many
    updates, whose batches have fewer examples (a masked one counts in the mean as 0).

    Attributes:
        share: of the images, in [0, 1], on which the teacher answers.
        source: reference (the teacher's θ₀) | displaced (as far from it as the teacher, in a random
            direction) | none (no target: these images teach nothing).
    """

    share: Share
    source: Annotated[str, OneOf(("reference", "displaced", "none"))]

    @property
    def variants(self) -> tuple[Variant, ...]:
        """The source, where it is a model."""
        return () if self.masks else (Variant(untaught=self.source),)

    @property
    def masks(self) -> bool:
        """Without a source the rest has no target."""
        return self.source == "none"

    @property
    def kept(self) -> float:
        """The share, where the rest has no target."""
        return self.share if self.masks else 1.0

    def __call__(self, given: Given) -> Tensor:
        """Return the logits, NaN where there is no source."""
        taught = given.lowest(given.chance(), self.share)
        return torch.where(taught, given.logits, torch.nan if self.masks else given.others[0])
