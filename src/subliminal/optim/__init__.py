"""Optimizers of flat parameters, and the configuration that builds them."""

from typing import Protocol

from torch import Tensor


class Optimizer:
    """Moves θ in place, on torch's fused kernels where it has them.

    Not a `torch.optim.Optimizer`, whose constructor imports torch's compiler: over a second for
    each process, and for nothing here.

    Attributes:
        theta: θ, (seeds, P).
        state: what a step takes from earlier ones: (seeds, P) each, or a number for all seeds.
    """

    def __init__(self, theta: Tensor, **state: Tensor) -> None:
        self.theta, self.state = theta, state

    def step(self, gradient: Tensor) -> None:
        """Take one step against `gradient` (seeds, P), which is left as it is."""
        raise NotImplementedError


class Optim(Protocol):
    """Builds the optimizer of one stack of seeds.

    Attributes:
        numerator: (decay, gain) of n ← decay · n + gain · g, from n = 0, when an update is n times
            a factor for each coordinate, Δθ = −f ⊙ n, as in most optimizers; it lets the update be
            split by what the gradient was made of. None when the update has another part.
    """

    @property
    def numerator(self) -> tuple[float, float] | None:
        """See above."""

    def build(self, theta: Tensor) -> Optimizer:
        """Return an optimizer that updates `theta` (seeds, P) in place."""
