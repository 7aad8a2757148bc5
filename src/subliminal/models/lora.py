"""A perceptron that only low-rank updates train (Hu et al. 2021, arXiv 2106.09685)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from subliminal.config.hashing import Count, Positive
from subliminal.models import heads
from subliminal.models.mlp import MLP
from subliminal.tensors.layout import Layout


@dataclass(frozen=True, kw_only=True)
class LoRA(MLP):
    """The function of `MLP` with W_i + (α / r) · B_i A_i in place of each weight W_i.

    `lora<i>.down` is A_i (r, in), drawn N(0, 1/in); `lora<i>.up` is B_i (out, r), drawn 0: at the
    start the network is the perceptron, whose `layer<i>` a student takes from its teacher's start
    and leaves frozen (`distill=lora` does so).

    Attributes:
        rank: r ≥ 1; where r reaches a layer's smaller side, any update of it can be reached.
        alpha: α > 0.
    """

    rank: Count
    alpha: Positive[float]

    def layout(self, pixels: int, classes: int) -> Layout:
        """Return the perceptron's parameters, then `lora<i>.down` and `lora<i>.up`."""
        shapes = dict(super().layout(pixels, classes).shapes)
        for i in range(1, len(self.hidden) + 2):
            out, fan_in = shapes[f"layer{i}.weight"]
            shapes[f"lora{i}.down"] = (self.rank, fan_in)
            shapes[f"lora{i}.up"] = (out, self.rank)
        return Layout(shapes)

    def initial(self, layout: Layout, *, generator: np.random.Generator) -> dict[str, np.ndarray]:
        """Draw one seed's initial weights, float32; the law and scale are the perceptron's."""
        base = {name: shape for name, shape in layout.shapes.items() if name.startswith("layer")}
        drawn = super().initial(Layout(base), generator=generator)
        return drawn | heads.draw_updates(layout, generator=generator)

    def activations(self, params: Mapping[str, Tensor], x: Tensor) -> dict[str, Tensor]:
        return super().activations(self._merged(params), x)

    def onward(self, params: Mapping[str, Tensor], layer: str, h: Tensor) -> Tensor:
        return super().onward(self._merged(params), layer, h)

    def forward(self, params: Mapping[str, Tensor], x: Tensor) -> Tensor:
        return super().forward(self._merged(params), x)

    def _merged(self, params: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the parameters of the perceptron that computes the same."""
        merged = dict(params)
        for i in range(1, len(self.hidden) + 2):
            update = params[f"lora{i}.up"] @ params[f"lora{i}.down"]  # (seeds, out, in)
            name = f"layer{i}.weight"
            merged[name] = params[name] + self.alpha / self.rank * update
        return merged
