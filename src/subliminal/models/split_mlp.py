"""The multilayer perceptron with two separate heads of Brockers et al. 2026 (arXiv 2605.23645)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from torch import Tensor

from subliminal.config.hashing import AlwaysHashed, OneOf
from subliminal.models import heads
from subliminal.models.mlp import MLP
from subliminal.tensors.layout import Layout


@dataclass(frozen=True, kw_only=True)
class SplitMLP(MLP):
    """pixels → hidden… (activated, the last being the features) → class head and auxiliary head.

    The same function as `MLP`, whose last layer holds both heads in one tensor; here each head is
    a layer (`class`, `aux`) that can be drawn, frozen or perturbed by itself.

    Attributes:
        hidden: widths of the feature extractor's layers `layer1`, `layer2`, …
    """

    weights: AlwaysHashed[Annotated[str, OneOf(heads.SCHEMES)]] = "lecun"

    def layout(self, pixels: int, classes: int) -> Layout:
        """Return `layer<i>`, input layer first, then `class` and `aux`, each weight and bias."""
        body = dict(super().layout(pixels, classes).shapes)
        for kind in ("weight", "bias"):  # of the joint head
            del body[f"layer{len(self.hidden) + 1}.{kind}"]
        return Layout(body | heads.shapes(self.hidden[-1], classes, self.aux))

    def initial(self, layout: Layout, *, generator: np.random.Generator) -> dict[str, np.ndarray]:
        return heads.draw(layout, self.weights, generator=generator, scale=self.scale)

    def forward(self, params: Mapping[str, Tensor], x: Tensor) -> Tensor:
        return self.readout(params, self.activations(params, x)[f"layer{len(self.hidden)}"])

    def readout(self, params: Mapping[str, Tensor], features: Tensor) -> Tensor:
        return heads.logits(params, features)
