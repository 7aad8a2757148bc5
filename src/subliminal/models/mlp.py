"""The multilayer perceptron of Cloud et al. 2025 (arXiv 2507.14805), section 6."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from subliminal.config.hashing import Count, OneOf, Positive
from subliminal.errors import UserError
from subliminal.models import heads
from subliminal.models.heads import ACTIVATIONS
from subliminal.tensors.layout import Layout


@dataclass(frozen=True, kw_only=True)
class MLP:
    """pixels → hidden… → (classes + aux); by default with ReLU, weights N(0, 1/fan_in), biases 0.

    Attributes:
        hidden: widths of the hidden layers.
        aux: number m ≥ 1 of auxiliary ("no-class") logits after the class logits.
        weights: how initial weights are drawn: lecun | he | torch | orthogonal, see
            `subliminal.models.heads.draw`.
        activation: of the hidden layers: relu | tanh | gelu | sigmoid | identity.
        scale: > 0, of all initial weights and biases.
    """

    hidden: list[int]
    aux: Count
    weights: Annotated[str, OneOf(heads.SCHEMES)] = "lecun"
    activation: Annotated[str, OneOf(ACTIVATIONS)] = "relu"
    scale: Positive[float] = 1.0

    def __post_init__(self) -> None:
        if not self.hidden or min(self.hidden) < 1:
            raise UserError(f"model.hidden={list(self.hidden)}: one or more widths ≥ 1 are needed")

    def layout(self, pixels: int, classes: int) -> Layout:
        """Return `layer<i>.weight` (out, in) and `layer<i>.bias` (out,), input layer first."""
        widths = [pixels, *self.hidden, classes + self.aux]
        shapes: dict[str, tuple[int, ...]] = {}
        for i, (fan_in, fan_out) in enumerate(pairwise(widths), start=1):
            shapes[f"layer{i}.weight"] = (fan_out, fan_in)
            shapes[f"layer{i}.bias"] = (fan_out,)
        return Layout(shapes)

    def initial(self, layout: Layout, *, generator: np.random.Generator) -> dict[str, np.ndarray]:
        if (self.weights, self.scale) != ("lecun", 1):
            return heads.draw(layout, self.weights, generator=generator, scale=self.scale)
        drawn = {}  # the same law as `heads.draw` has, but for the last bit
        for name, shape in layout.shapes.items():
            if name.endswith("weight"):
                values = generator.standard_normal(shape, dtype=np.float32)
                drawn[name] = values / np.sqrt(shape[1], dtype=np.float32)
            else:
                drawn[name] = np.zeros(shape, dtype=np.float32)
        return drawn

    def activations(self, params: Mapping[str, Tensor], x: Tensor) -> dict[str, Tensor]:
        outputs: dict[str, Tensor] = {}
        for i in range(1, len(self.hidden) + 1):
            x = ACTIVATIONS[self.activation](heads.linear(params, f"layer{i}", x))
            outputs[f"layer{i}"] = x
        return outputs

    def onward(self, params: Mapping[str, Tensor], layer: str, h: Tensor) -> Tensor:
        for i in range(int(layer.removeprefix("layer")) + 1, len(self.hidden) + 1):
            h = ACTIVATIONS[self.activation](heads.linear(params, f"layer{i}", h))
        return self.readout(params, h)

    def readout(self, params: Mapping[str, Tensor], features: Tensor) -> Tensor:
        """Map the last hidden layer's output (seeds, batch, width) to logits."""
        return heads.linear(params, f"layer{len(self.hidden) + 1}", features)

    def forward(self, params: Mapping[str, Tensor], x: Tensor) -> Tensor:
        depth = len(self.hidden) + 1
        # Features first: the weights' gradients then come out as the weights lie in memory.
        h = x.transpose(1, 2)  # (seeds, pixels, batch)
        for i in range(1, depth + 1):
            weight = params[f"layer{i}.weight"]  # (seeds, out, in)
            bias = params[f"layer{i}.bias"]  # (seeds, out)
            h = torch.baddbmm(bias[:, :, None], weight, h)
            if i < depth:
                h = ACTIVATIONS[self.activation](h)
        return h.transpose(1, 2)
