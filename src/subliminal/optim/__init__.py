"""Optimizers of flat parameters, and the configuration that builds them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor


@dataclass(eq=False)
class Optimizer:
    """Moves θ in place by a rule, on torch's fused kernels where it has them.

    Not a `torch.optim.Optimizer`, whose constructor imports torch's compiler: over a second for
    each process, and for nothing here.

    Attributes:
        theta: θ, (seeds, P).
        move: the rule: changes θ and the state in place, see `subliminal.optim.pace.Paced.move`.
        state: what a step takes from earlier ones: (seeds, P) each, or a number for all seeds.
    """

    theta: Tensor
    move: Callable[[Tensor, Tensor, dict[str, Tensor]], None]
    state: dict[str, Tensor] = field(default_factory=dict)

    def step(self, gradient: Tensor) -> None:
        """Take one step against `gradient` (seeds, P), which is left as it is."""
        self.move(self.theta, gradient, self.state)


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
