"""The multilayer perceptron with two separate heads of Brockers et al. 2026 (arXiv 2605.23645)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from torch import Tensor

from subliminal.config.hashing import OneOf, Positive
from subliminal.errors import UserError
from subliminal.models import heads
from subliminal.models.activation import ACTIVATIONS, activate
from subliminal.tensors.layout import Layout


@dataclass(frozen=True, kw_only=True)
class SplitMLP:
    """pixels → hidden… (activated, the last being the features) → class head and auxiliary head.

    The same function as `MLP`, whose last layer holds both heads in one tensor; here each head is
    a layer (`class`, `aux`) that can be drawn, frozen or perturbed by itself.

    Attributes:
        hidden: widths of the feature extractor's layers `layer1`, `layer2`, …
        aux: number m ≥ 1 of auxiliary ("no-class") logits.
        weights: how initial weights are drawn: lecun | he | torch | orthogonal, see
            `subliminal.models.heads.draw`.
        activation: of the hidden layers: relu | tanh | gelu | sigmoid.
        scale: > 0, of all initial weights and biases.
    """

    hidden: list[int]
    aux: int
    weights: Annotated[str, OneOf(heads.SCHEMES)]
    activation: Annotated[str, OneOf(ACTIVATIONS)] = "relu"
    scale: Positive[float] = 1.0

    def __post_init__(self) -> None:
        heads.check(self.aux)
        if not self.hidden or min(self.hidden) < 1:
            raise UserError(f"model.hidden={list(self.hidden)}: one or more widths ≥ 1 are needed")

    def layout(self, pixels: int, classes: int) -> Layout:
        """Return `layer<i>`, input layer first, then `class` and `aux`, each weight and bias."""
        shapes: dict[str, tuple[int, ...]] = {}
        fan_in = pixels
        for i, width in enumerate(self.hidden, start=1):
            shapes |= {f"layer{i}.weight": (width, fan_in), f"layer{i}.bias": (width,)}
            fan_in = width
        return Layout(shapes | heads.shapes(fan_in, classes, self.aux))

    def initial(self, layout: Layout, *, generator: np.random.Generator) -> dict[str, np.ndarray]:
        """Draw one seed's initial weights, float32."""
        return heads.draw(layout, self.weights, generator=generator, scale=self.scale)

    def activations(self, params: Mapping[str, Tensor], x: Tensor) -> dict[str, Tensor]:
        """Map (seeds, batch, pixels) to each hidden layer's output (seeds, batch, width)."""
        outputs: dict[str, Tensor] = {}
        for i in range(1, len(self.hidden) + 1):
            x = activate(self.activation, heads.linear(params, f"layer{i}", x))
            outputs[f"layer{i}"] = x
        return outputs

    def onward(self, params: Mapping[str, Tensor], layer: str, h: Tensor) -> Tensor:
        """Map a hidden layer's output (seeds, batch, width) to the logits that it leads to."""
        for i in range(int(layer.removeprefix("layer")) + 1, len(self.hidden) + 1):
            h = activate(self.activation, heads.linear(params, f"layer{i}", h))
        return heads.logits(params, h)

    def forward(self, params: Mapping[str, Tensor], x: Tensor) -> Tensor:
        """Map (seeds, batch, pixels) to logits (seeds, batch, classes + aux)."""
        return heads.logits(params, self.activations(params, x)[f"layer{len(self.hidden)}"])
