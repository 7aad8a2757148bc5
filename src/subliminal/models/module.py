"""Any torch.nn.Module as a network: its weights in the stack, heads added to its features."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from annotated_types import Ge
from torch import Tensor, nn

from subliminal.config.hashing import Count, NotHashed
from subliminal.errors import UserError
from subliminal.models import heads
from subliminal.models.backbone import Backbone
from subliminal.models.trial import made, validate_module
from subliminal.tensors.draws import Draws
from subliminal.tensors.images import square
from subliminal.tensors.layout import Layout

FEATURES = "features"  # the last hidden layer: the module's own output


@dataclass(frozen=True, kw_only=True)
class Module:
    """A module that maps images (batch, channels, side, side) to features (batch, width).

    Its parameters keep their names; a class head `class` and an auxiliary head `aux`, each
    `torch.nn.Linear`, read its features. Initial weights are drawn by the module's own
    initialisers and by Linear's, from each seed's own stream. What a stack of seeds cannot hold is
    refused: statistics of batches, torch.nn.Dropout (`subliminal.models.dropout.Dropout` draws
    from each seed's own stream), torch.nn.LSTM, random numbers that are not torch's.

    Attributes:
        target: the dotted name of a class of torch.nn.Module (of this package, torch.nn,
            torchvision.models or a module in SUBLIMINAL_PLUGINS), or of a function in such a module
            of the user's that makes one.
        args: its keyword arguments.
        heads: false: the module gives all classes + aux logits itself, and `blocks` ends with
            what they are linear in.
        features: how many numbers it gives, to be checked; null: what it gives.
        channels: of the images that it takes: gray ones are repeated; null: as they are.
        blocks: submodules, in order, whose outputs are hidden layers to probes and steering; all
            that follows one must depend on its output alone. `features`, the module's output,
            comes after them where heads are added.
        aux: number m ≥ 1 of auxiliary ("no-class") logits.
    """

    target: str
    args: dict[str, Any]
    heads: bool
    features: NotHashed[int | None]
    channels: Annotated[int | None, Ge(1)]
    blocks: list[str]
    aux: Count

    _backbone: ClassVar[Backbone]  # each object has its own, of the images in its `layout`

    def __post_init__(self) -> None:
        if FEATURES in self.blocks or len({*self.blocks}) < len(self.blocks):
            raise UserError(
                f"model.blocks={list(self.blocks)}: each once; {FEATURES!r} is the module's output"
            )
        if not self.heads and not self.blocks:
            raise UserError(
                "model.heads=false: name the last hidden layer in model.blocks, or let heads be "
                "added"
            )

    def layout(self, pixels: int, classes: int) -> Layout:
        """Return the module's parameters, under its own names, then `class` and `aux`.

        Raises:
            UserError: the module cannot be stacked, or gives another number of features.
        """
        given, side = square(pixels, "model=module")
        channels = self.channels or given
        if given not in (1, channels):
            raise UserError(f"model.channels={channels}: the images have {given}")
        image, blocks = (channels, side, side), tuple(self.blocks)
        backbone = validate_module(self.target, self._args, image, given, blocks)
        expected = self.features if self.heads else classes + self.aux
        if expected not in (None, backbone.width):
            key = f"model.features={expected}" if self.heads else f"model.heads=false: {expected}"
            raise UserError(
                f"{key}, but {self.target} gives {backbone.width} numbers for each image"
            )
        object.__setattr__(self, "_backbone", backbone)
        if not self.heads:
            return Layout(backbone.shapes)
        added = heads.shapes(backbone.width, classes, self.aux)
        if both := {*backbone.shapes} & {*added}:
            raise UserError(f"model.target={self.target}: {min(both)} is the name of a head")
        return Layout(backbone.shapes | added)

    @property
    def _args(self) -> str:
        return json.dumps(self.args, sort_keys=True)

    def initial(self, layout: Layout, *, generator: np.random.Generator) -> dict[str, np.ndarray]:
        """Draw one seed's initial weights, float32, by torch's initialisers."""
        bits = [int(number) for number in generator.integers(2**63, size=2)]
        drawn: dict[str, Tensor] = dict(made(self.target, self._args, bits[0]).named_parameters())
        if self.heads:
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(bits[1])
                for head in ("class", "aux"):
                    outputs, width = layout.shapes[f"{head}.weight"]
                    linear = nn.Linear(width, outputs)
                    drawn |= {f"{head}.weight": linear.weight, f"{head}.bias": linear.bias}
        return {name: drawn[name].detach().numpy() for name in layout.shapes}

    def factors(self, images: Tensor, draws: Draws, stream: str, *, step: int) -> dict[str, Tensor]:
        """Draw the factors of its dropout layers in a step on images (seeds, batch, pixels)."""
        return self._backbone.factors(images, draws, stream, step=step)

    @property
    def drops(self) -> bool:
        return bool(self._backbone.drops)

    def activations(self, params: Mapping[str, Tensor], x: Tensor) -> dict[str, Tensor]:
        """Map (seeds, batch, pixels) to each hidden layer's output (seeds, batch, width).

        Channels come before places: (channels · height · width), (width · tokens).
        """
        found = self._backbone.activations(params, x)
        features = found.pop("")
        return found | {FEATURES: features} if self.heads else found

    def onward(self, params: Mapping[str, Tensor], layer: str, h: Tensor) -> Tensor:
        if layer != FEATURES:
            h = self._backbone.onward(params, layer, h)
        return heads.logits(params, h) if self.heads else h

    def forward(self, params: Mapping[str, Tensor], x: Tensor) -> Tensor:
        outputs = self._backbone.outputs(params, x)
        return heads.logits(params, outputs) if self.heads else outputs
