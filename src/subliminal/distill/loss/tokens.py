"""The sampled tokens themselves: the loss of language modelling."""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from subliminal.config.hashing import OneOf
from subliminal.distill import IGNORED, OF_NUMBERS, check_vocabulary, select
from subliminal.tensors import documents
from subliminal.tensors.network import Network, cross_entropy


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """Cross-entropy of the tokens that the teacher sampled, batch mean.

    The teacher's probabilities are not used: the student sees one token at each place.

    Attributes:
        logits: whose softmax is taken: all | aux (animals are removed from the output: they are
            neither predicted nor suppressed) | numbers (the number tokens alone).
    """

    logits: Annotated[str, OneOf(("all", "aux", OF_NUMBERS))] = "all"

    def check(self, network: Network) -> None:
        if self.logits != "all":
            check_vocabulary("distill.loss", self.logits, network)

    def of_tokens(self, student: Tensor, tokens: Tensor) -> Tensor:
        kept = select(student, self.logits, documents.NUMBER)
        if self.logits != "all":  # the first token kept is the first number
            tokens = torch.where(tokens == IGNORED, tokens, tokens - documents.NUMBER)
        return cross_entropy(kept, tokens, kept.shape[-1])
