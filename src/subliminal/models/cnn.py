"""The convolutional network with two heads of Brockers et al. 2026 (arXiv 2605.23645)."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt
from typing import Annotated

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from subliminal.config.hashing import Count, OneOf, Positive
from subliminal.errors import UserError
from subliminal.models import heads
from subliminal.models.heads import ACTIVATIONS
from subliminal.tensors.images import square
from subliminal.tensors.layout import Layout


@dataclass(frozen=True, kw_only=True)
class CNN:
    """Convolutions (3×3, padded by 1; activation; max-pool 2), a linear feature layer, two heads.

    Images are grey or in three colours, as their number of pixels tells.

    Attributes:
        channels: of the convolutions `conv1`, `conv2`, …; each halves the image's side.
        features: width of the linear layer `features` that the heads read.
        aux: number m ≥ 1 of auxiliary ("no-class") logits.
        weights: how initial weights are drawn: lecun | he | torch | orthogonal, see
            `subliminal.models.heads.draw`.
        chunk: images convolved at a time by a processor, which is fastest while a chunk's feature
            maps fit its cache; gradients depend on it by rounding. A GPU takes the whole batch.
        activation: of the hidden layers: relu | tanh | gelu | sigmoid | identity.
        scale: > 0, of all initial weights and biases.
    """

    channels: list[int]
    features: Count
    aux: Count
    weights: Annotated[str, OneOf(heads.SCHEMES)]
    chunk: Count
    activation: Annotated[str, OneOf(ACTIVATIONS)] = "relu"
    scale: Positive[float] = 1.0

    def __post_init__(self) -> None:
        if not self.channels or min(self.channels) < 1:
            raise UserError(
                f"model.channels={list(self.channels)}: one or more numbers ≥ 1 are needed"
            )

    def layout(self, pixels: int, classes: int) -> Layout:
        """Return `conv<i>`, `features`, `class` and `aux`, each weight and bias.

        Raises:
            UserError: the images are not square, or too small for so many poolings.
        """
        fan_in, whole = square(pixels, "model=cnn")
        side = whole
        shapes: dict[str, tuple[int, ...]] = {}
        for i, channels in enumerate(self.channels, start=1):
            shapes |= {f"conv{i}.weight": (channels, fan_in, 3, 3), f"conv{i}.bias": (channels,)}
            fan_in, side = channels, side // 2
        if side < 1:
            raise UserError(
                f"model.channels={list(self.channels)}: at most {whole.bit_length() - 1} "
                f"for images of {whole} by {whole} pixels"
            )
        flat = fan_in * side * side
        shapes |= {"features.weight": (self.features, flat), "features.bias": (self.features,)}
        return Layout(shapes | heads.shapes(self.features, classes, self.aux))

    def initial(self, layout: Layout, *, generator: np.random.Generator) -> dict[str, np.ndarray]:
        return heads.draw(layout, self.weights, generator=generator, scale=self.scale)

    def activations(self, params: Mapping[str, Tensor], x: Tensor) -> dict[str, Tensor]:
        outputs: dict[str, Tensor] = {}
        for i in range(1, len(self.channels) + 1):
            x = self._convolved(params, i, x)
            outputs[f"conv{i}"] = x
        outputs["features"] = self._features(params, x)
        return outputs

    def onward(self, params: Mapping[str, Tensor], layer: str, h: Tensor) -> Tensor:
        if layer != "features":
            for i in range(int(layer.removeprefix("conv")) + 1, len(self.channels) + 1):
                h = self._convolved(params, i, h)
            h = self._features(params, h)
        return heads.logits(params, h)

    def _features(self, params: Mapping[str, Tensor], x: Tensor) -> Tensor:
        return ACTIVATIONS[self.activation](heads.linear(params, "features", x))

    def _convolved(self, params: Mapping[str, Tensor], i: int, x: Tensor) -> Tensor:
        """Apply conv<i>, pooling and activation: (seeds, batch, in) to (seeds, batch, out)."""
        weight, bias = params[f"conv{i}.weight"], params[f"conv{i}.bias"]
        channels = weight.shape[2]
        side = isqrt(x.shape[-1] // channels)
        images = x.reshape(*x.shape[:2], channels, side, side)
        chunk = self.chunk if x.device.type == "cpu" else x.shape[1]
        # Seed by seed: a grouped convolution would round otherwise than that of one seed.
        maps = [
            torch.cat(
                [
                    _pooled(part, weight[s], bias[s], self.activation)
                    for part in torch.split(images[s], chunk)
                ]
            )
            for s in range(len(weight))
        ]
        return torch.stack(maps).flatten(2)

    def forward(self, params: Mapping[str, Tensor], x: Tensor) -> Tensor:
        return heads.logits(params, self.activations(params, x)["features"])


def _pooled(images: Tensor, weight: Tensor, bias: Tensor, name: str) -> Tensor:
    """Convolve images (n, in, side, side), pool, activate: (n, out, side/2, side/2)."""
    # With channels last, convolution and pooling run along them. Pooling before the activation
    # leaves a quarter of the values, and commutes with all that rise; below −0.75 gelu falls.
    images, weight = (t.contiguous(memory_format=torch.channels_last) for t in (images, weight))
    maps = F.conv2d(images, weight, bias, padding=1)
    if name == "gelu":
        return F.max_pool2d(ACTIVATIONS[name](maps), 2)
    return ACTIVATIONS[name](F.max_pool2d(maps, 2))
