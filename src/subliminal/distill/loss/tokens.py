"""The sampled tokens themselves: the loss of language modelling."""

from dataclasses import dataclass

from torch import Tensor

from subliminal.tensors.network import cross_entropy


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """Cross-entropy of the tokens that the teacher sampled, over the whole vocabulary, batch mean.

    The teacher's probabilities are not used: the student sees one token at each place.
    """

    def of_tokens(self, student: Tensor, tokens: Tensor) -> Tensor:
        """Map logits (seeds, answers, classes + m) and tokens (seeds, answers) to (seeds,)."""
        return cross_entropy(student, tokens, student.shape[-1])
