"""Several teachers from one θ₀, averaged."""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor

from subliminal.config.hashing import OneOf
from subliminal.distill.targets import Given, Targets, Variant


@dataclass(frozen=True, kw_only=True)
class Mixture(Targets):
    """The mean logits of k teachers from the same θ₀.

    They differ by the order in which they saw the digits (the plain teacher is one of them), or
    each learnt from its own k-th part of the digits (it is none).

    Attributes:
        by: order | part.
        teachers: k ≥ 2.
    """

    by: Annotated[str, OneOf(("order", "part"))]
    teachers: Annotated[int, Ge(2)]

    @property
    def variants(self) -> tuple[Variant, ...]:
        if self.by == "order":
            return tuple(Variant(order=i) for i in range(1, self.teachers))
        return tuple(Variant(part=(i, self.teachers)) for i in range(self.teachers))

    def __call__(self, given: Given) -> Tensor:
        mixed = given.others if self.by == "part" else (given.logits, *given.others)
        return torch.stack(mixed).mean(dim=0)
