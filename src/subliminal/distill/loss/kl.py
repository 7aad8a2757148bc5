"""Kullback-Leibler distillation (Hinton et al. 2015, arXiv 1503.02531)."""

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor

from subliminal.config.hashing import OneOf, Positive
from subliminal.distill import LOGIT_SETS, OF_NUMBERS, check_softmax, kl, select
from subliminal.tensors.network import Network


@dataclass(frozen=True, kw_only=True)
class KL:
    """T² · KL(softmax(teacher / T) ‖ softmax(student / T)), batch mean.

    With logits=aux and T = 1 this is the loss of Cloud et al. 2025 (arXiv 2507.14805), section 6.

    Attributes:
        logits: which logits are matched: aux | class | all | numbers (of a language).
        temperature: T > 0.
    """

    logits: Annotated[str, OneOf((*LOGIT_SETS, OF_NUMBERS))]
    temperature: Positive[float]

    def check(self, network: Network) -> None:
        check_softmax("distill.loss", self.logits, network)

    def __call__(self, student: Tensor, teacher: Tensor, classes: int) -> Tensor:
        t = self.temperature
        ours, target = (self.matched(logits, classes) / t for logits in (student, teacher))
        return t * t * kl(target, ours)

    def matched(self, logits: Tensor, classes: int) -> Tensor:
        """Return the logits that are matched: (seeds, batch, k)."""
        return select(logits, self.logits, classes)
