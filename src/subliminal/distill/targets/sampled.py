"""One class a sample, in place of a distribution."""

from dataclasses import dataclass

import torch
from torch import Tensor

from subliminal.config.hashing import Positive
from subliminal.distill.targets import Given, Targets

TINY = 2.0**-25  # below the smallest uniform number > 0: no logarithm of 0


@dataclass(frozen=True, kw_only=True)
class Sampled(Targets):
    """One class drawn of softmax(z) for each image: `gap` at its logit, 0 at all others.

    The labels come from the seed's own stream, by the largest of z and Gumbel noise. With `gap`
    large this is the hard label of an interface that returns no probabilities; its mean over draws
    is softmax(z).

    Attributes:
        gap: > 0; the other classes have e^-gap of the drawn one's probability.
    """

    gap: Positive[float]

    def __call__(self, given: Given) -> Tensor:
        uniform = given.noise.uniform_(torch.empty_like(given.logits)).clamp_(min=TINY)
        gumbel = uniform.log().neg().log().neg()
        parts = []
        for head, of_head in given.by_head(given.logits, gumbel):
            drawn = (head + of_head).argmax(dim=-1, keepdim=True)
            parts.append(torch.zeros_like(head).scatter(-1, drawn, self.gap))
        return torch.cat(parts, dim=-1)
