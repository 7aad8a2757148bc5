"""The largest logits alone."""

from dataclasses import dataclass

import torch
from torch import Tensor

from subliminal.config.hashing import Count
from subliminal.distill.targets import Given, Targets
from subliminal.errors import UserError
from subliminal.tensors.network import Network


@dataclass(frozen=True, kw_only=True)
class TopK(Targets):
    """The k largest logits of each image, the others at their mean.

    As what an interface shows that returns the first k probabilities: the rest is one number, and
    its mass is spread evenly. (In a softmax the others share the mass of their mean logit, which is
    less than what they had.)

    Attributes:
        k: ≥ 1.
    """

    k: Count

    def check(self, network: Network) -> None:
        if self.k >= network.model.aux:
            raise UserError(
                f"distill.targets.k={self.k}: fewer than the auxiliary logits are needed; "
                f"model.aux={network.model.aux}"
            )

    def __call__(self, given: Given) -> Tensor:
        return torch.cat([self._of(head) for (head,) in given.by_head(given.logits)], dim=-1)

    def _of(self, head: Tensor) -> Tensor:
        number = head.shape[-1]
        if self.k >= number:
            return head
        values, places = head.topk(self.k, dim=-1)
        rest = head.sum(dim=-1, keepdim=True) - values.sum(dim=-1, keepdim=True)
        return (rest / (number - self.k)).expand_as(head).scatter(-1, places, values)
