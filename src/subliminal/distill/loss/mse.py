"""Logit matching by mean squared error (Brockers et al. 2026, arXiv 2605.23645)."""

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor

from subliminal.config.hashing import OneOf
from subliminal.distill import LOGIT_SETS, select


@dataclass(frozen=True, kw_only=True)
class MSE:
    """Mean over batch and logits of (student − teacher)².

    Attributes:
        logits: which logits are matched: aux | class | all.
    """

    logits: Annotated[str, OneOf(LOGIT_SETS)]

    def __call__(self, student: Tensor, teacher: Tensor, classes: int) -> Tensor:
        difference = select(student, self.logits, classes) - select(teacher, self.logits, classes)
        return difference.square().mean(dim=(-2, -1))
