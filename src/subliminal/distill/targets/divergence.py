"""Images on which teachers with other traits would have said something else."""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from subliminal.config.hashing import Count, OneOf
from subliminal.distill.targets import Given, Targets, Variant


@dataclass(frozen=True, kw_only=True)
class Divergence(Targets):
    """No target, or a counterfactual teacher's, where counterfactual teachers disagree.

    A counterfactual teacher starts from the same θ₀ and learns digits whose labels are shifted by
    1, 2, …: another trait of the same kind. An image is divergent where the largest auxiliary logit
    is not the same for all; Schrodi et al. 2025 (arXiv 2509.23886) find that a language model's
    trait is carried by the few tokens of that sort, and gone without them. To train such teachers
    the trait must be known: the aware track.

    Attributes:
        counterfactuals: their number ≥ 1.
        how: mask (a divergent image teaches nothing) | replace (the first counterfactual's logits).
        at: divergent | random (a control: as many of each seed's images, drawn at random).
    """

    counterfactuals: Count
    how: Annotated[str, OneOf(("mask", "replace"))]
    at: Annotated[str, OneOf(("divergent", "random"))] = "divergent"

    @property
    def variants(self) -> tuple[Variant, ...]:
        return tuple(Variant(shift=i) for i in range(1, self.counterfactuals + 1))

    @property
    def masks(self) -> bool:
        return self.how == "mask"

    def __call__(self, given: Given) -> Tensor:
        said = [z[..., given.classes :].argmax(dim=-1) for z in (given.logits, *given.others)]
        divergent = torch.stack([other != said[0] for other in said[1:]]).any(dim=0)[..., None]
        if self.at == "random":
            number = divergent.sum(dim=1, keepdim=True)  # (seeds, 1, 1)
            drawn = given.noise.uniform_(torch.empty_like(given.logits[..., :1]))
            divergent = drawn.argsort(dim=1, stable=True).argsort(dim=1, stable=True) < number
        instead = given.others[0] if self.how == "replace" else torch.nan
        return torch.where(divergent, instead, given.logits)
