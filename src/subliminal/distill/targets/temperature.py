"""The teacher's logits at another temperature than the student's."""

from dataclasses import dataclass

from torch import Tensor

from subliminal.config.hashing import Positive
from subliminal.distill.targets import Given, Targets


@dataclass(frozen=True, kw_only=True)
class Temperature(Targets):
    """z / T: the student learns softmax(z / T) with its own softmax at temperature 1.

    Unlike `distill.loss.temperature`, which both sides share and which leaves the optimum alone.

    Attributes:
        temperature: T > 0.
    """

    temperature: Positive[float]

    def __call__(self, given: Given) -> Tensor:
        return given.logits / self.temperature
