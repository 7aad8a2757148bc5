"""Optimizers: configuration that builds a torch optimizer over flat parameters."""

from typing import Protocol

import torch
from torch import Tensor


class Optim(Protocol):
    """Builds the optimizer of one stack of seeds."""

    def build(self, theta: Tensor) -> torch.optim.Optimizer:
        """Return an optimizer that updates `theta` (seeds, P) in place from `theta.grad`."""
