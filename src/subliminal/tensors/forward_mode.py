"""Forward-mode derivatives, and a network that is linear in its weights."""

import threading
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from subliminal.tensors.network import Network

# torch counts the levels of all threads together; a linearised network's derivative needs two.
_LEVELS = threading.RLock()

Params = Mapping[str, Tensor]


def jvp(function: Callable[[Params], Tensor], at: Params, along: Params) -> tuple[Tensor, Tensor]:
    """Return `function` at some weights, and its derivative along a direction, by one pass."""
    with (
        _LEVELS,
        warnings.catch_warnings(),
    ):  # torch's first call loads scripts, which it deprecates itself
        warnings.simplefilter("ignore", FutureWarning)
        found = torch.func.jvp(function, (dict(at),), (dict(along),))
    return found[0], found[1]


@dataclass(frozen=True, eq=False)
class Linearised(Network):
    """A network's first-order expansion in its weights: f(θ₀) + J(θ₀) (θ − θ₀).

    The lazy regime (Chizat et al. 2019, arXiv 1812.07956), which networks approach as they grow
    wider (Lee et al. 2019, arXiv 1902.06720). `model` computes f, and its hidden layers are f's.
    """

    start: Tensor  # θ₀ of each seed, (seeds, P)

    @classmethod
    def around(cls, network: Network, start: Tensor) -> "Linearised":
        """Return the expansion of a network around the weights `start` (seeds, P)."""
        return cls(network.model, network.pixels, network.classes, network.layout, start)

    def row(self, row: int) -> "Linearised":
        return replace(self, start=self.start[row : row + 1])

    def forward(self, params: Params, x: Tensor) -> Tensor:
        dtype = next(iter(params.values())).dtype
        start = self.layout.views(self.start.to(dtype).expand(len(x), -1).contiguous())
        moved = {name: params[name] - value for name, value in start.items()}
        logits, change = jvp(lambda at: self.model.forward({**params, **at}, x), start, moved)
        return logits + change
