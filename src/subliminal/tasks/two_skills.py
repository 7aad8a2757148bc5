"""A skill that the student should learn, beside the trait that it should not."""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from subliminal.config.hashing import Positive
from subliminal.errors import UserError
from subliminal.tasks import SecondTask
from subliminal.tensors import streams
from subliminal.tensors.network import Network, cross_entropy


@dataclass(frozen=True, kw_only=True)
class TwoSkills(SecondTask):
    """The auxiliary logits classify digits whose pixels are permuted by one fixed permutation.

    The class logits classify the digits as ever. The permutation is the same for all seeds. A
    student of the auxiliary logits should acquire this skill; the digits are the trait.

    Attributes:
        weight: of the skill's cross-entropy beside that of the digits, > 0.
    """

    weight: Positive[float]

    def check(self, network: Network) -> None:
        if network.model.aux < network.classes:
            raise UserError(
                f"teacher.task: the skill needs an auxiliary logit for each of {network.classes} "
                f"classes; model.aux={network.model.aux}"
            )

    def images(self, x: Tensor) -> Tensor:
        return x.index_select(-1, _order(x.shape[-1], x.device))

    def loss(self, logits: Tensor, labels: Tensor, classes: int) -> Tensor:
        """Weighted cross-entropy of the first auxiliary logits: (seeds, batch, …) -> (seeds,)."""
        return self.weight * cross_entropy(skill_logits(logits, classes), labels, classes)


@cache  # no step copies it to the device
def _order(pixels: int, device: torch.device) -> Tensor:
    drawn = streams.stream(0, streams.SECOND_SKILL).permutation(pixels)
    return torch.from_numpy(drawn).to(device)


def skill_logits(logits: Tensor, classes: int) -> Tensor:
    """Return the auxiliary logits that carry the skill: (…, classes + m) -> (…, classes)."""
    return logits[..., classes : 2 * classes]
