"""RMSprop (Tieleman & Hinton 2012, lecture 6.5 of "Neural networks for machine learning")."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from annotated_types import Interval
from torch import Tensor

from subliminal.config.hashing import Positive
from subliminal.optim.pace import Paced


@dataclass(frozen=True, kw_only=True)
class RMSprop(Paced):
    """Adam's second moment without its first, and without bias correction.

    Attributes:
        lr: step size.
        alpha: decay rate of the second moment, in [0, 1).
        eps: added to the square root of the second moment.
    """

    numerator: ClassVar[tuple[float, float]] = (0.0, 1.0)  # the gradient itself

    lr: Positive[float]
    alpha: Annotated[float, Interval(ge=0, lt=1)]
    eps: Positive[float]

    def start(self, theta: Tensor) -> dict[str, Tensor]:
        return {"square_avg": torch.zeros_like(theta)}

    def move(self, theta: Tensor, gradient: Tensor, state: dict[str, Tensor]) -> None:
        """V ← α v + (1 − α) g²; θ ← θ − lr · g / (√v + ε)."""
        square = state["square_avg"]
        square.mul_(self.alpha).addcmul_(gradient, gradient, value=1 - self.alpha)
        theta.addcdiv_(gradient, square.sqrt().add_(self.eps), value=-self.lr)
