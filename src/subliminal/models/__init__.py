"""Networks: shapes, initial weights, and a forward pass over a stack of seeds."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from torch import Tensor

from subliminal.layout import Layout


class Model(Protocol):
    """A network as pure functions; its weights live in flat rows (see `subliminal.layout`)."""

    @property
    def aux(self) -> int:
        """Number m of auxiliary ("no-class") logits."""

    def layout(self, pixels: int, classes: int) -> Layout:
        """Return the parameters' names and shapes for that many inputs and class logits."""

    def initial(self, layout: Layout, *, generator: np.random.Generator) -> dict[str, np.ndarray]:
        """Draw the reference weights θ₀ of one seed: name to float32 array."""

    def activations(self, params: Mapping[str, Tensor], x: Tensor) -> dict[str, Tensor]:
        """Map (seeds, batch, pixels) to each hidden layer's output (seeds, batch, width), in order.

        A layer is named as its parameters are; the last is what the logits are linear in.
        """

    def onward(self, params: Mapping[str, Tensor], layer: str, h: Tensor) -> Tensor:
        """Map a hidden layer's output (seeds, batch, width) to the logits that it leads to."""

    def forward(self, params: Mapping[str, Tensor], x: Tensor) -> Tensor:
        """Map (seeds, batch, pixels) to logits (seeds, batch, classes + aux), classes first."""
