"""A model bound to its input and class counts, and what is computed with it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from subliminal.errors import UserError
from subliminal.tensors import streams
from subliminal.tensors.draws import Draws
from subliminal.tensors.geometry import widest
from subliminal.tensors.layout import Layout

BATCH = 1024  # inputs whose logits are taken at once


class Model(Protocol):
    """A network as pure functions; its weights live in flat rows (see `tensors/layout.py`).

    An input is an image of `pixels` values, with one output, or a document of up to as many tokens,
    with an output for each answer.
    """

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


@runtime_checkable
class Dropping(Protocol):
    """A model that may have dropout layers, which are at work in a training's steps alone."""

    @property
    def drops(self) -> bool:
        """Whether it has any."""

    def factors(self, images: Tensor, draws: Draws, stream: str, *, step: int) -> dict[str, Tensor]:
        """Draw what goes beside `params` into the pass of a step on images (seeds, batch, n)."""


@runtime_checkable
class Writing(Protocol):
    """A model that reads and writes tokens."""

    def sample(
        self, params: Mapping[str, Tensor], prompts: Tensor, uniforms: Tensor, *, temperature: float
    ) -> Tensor:
        """Continue prompts (seeds, n, T) by as many tokens as uniforms (seeds, n, new) has."""


@dataclass(frozen=True)
class Network:
    """A model for `pixels` inputs and `classes` class logits, with its flat parameter layout."""

    model: Model
    pixels: int  # of an image; tokens of the longest document
    classes: int  # class logits; animals of a language
    layout: Layout

    @classmethod
    def of(cls, model: Model, *, pixels: int, classes: int) -> "Network":
        """Bind `model` to its input and class counts."""
        return cls(model, pixels, classes, model.layout(pixels, classes))

    def __deepcopy__(self, memo: dict[int, object]) -> "Network":
        """Return itself: it never changes."""
        return self

    def reference(
        self, seeds: tuple[int, ...], device: torch.device, *, stream: str = streams.INIT
    ) -> Tensor:
        """Draw initial weights of each seed, the reference weights θ₀ by default: (seeds, P)."""
        generators = (streams.stream(seed, stream) for seed in seeds)
        drawn = (self.model.initial(self.layout, generator=g) for g in generators)
        rows = ({name: torch.from_numpy(v) for name, v in row.items()} for row in drawn)
        return self.layout.stack(rows, len(seeds)).to(device)

    @cached_property
    def widths(self) -> dict[str, int]:
        """The hidden layers' names, in order, and the widths of their outputs."""
        params = self.layout.views(torch.zeros(1, self.layout.size))
        outputs = self.model.activations(params, torch.zeros(1, 1, self.pixels))
        return {name: output.shape[-1] for name, output in outputs.items()}

    @cached_property
    def hidden(self) -> tuple[str, ...]:
        """The hidden layers' names, in order."""
        return tuple(self.widths)

    @cached_property
    def dropping(self) -> Dropping | None:
        """The model where it has dropout layers."""
        return self.model if isinstance(self.model, Dropping) and self.model.drops else None

    def check_hidden(self, layer: str, where: str) -> None:
        """Raise a UserError when there is no such hidden layer; `where` is the key to blame."""
        if layer not in self.hidden:
            raise UserError(f"{where}={layer}: one of {', '.join(self.hidden)}")

    def head_of(self, which: str) -> tuple[str, slice]:
        """Return the layer that holds the `class` or `aux` logits, and which of its rows."""
        if f"{which}.weight" in self.layout.shapes:
            return which, slice(None)
        every = self.classes + self.model.aux
        fitting = [
            name
            for name, shape in self.layout.shapes.items()
            if name.endswith(".weight") and shape[0] == every
        ]
        if not fitting:
            raise UserError(
                "model: its class and auxiliary logits have no weights that are trained"
            )
        rows = slice(0, self.classes) if which == "class" else slice(self.classes, None)
        return fitting[-1].removesuffix(".weight"), rows

    def head(self, params: Mapping[str, Tensor], which: str) -> Tensor:
        """Return a view of the `class` or `aux` logits' weight: (seeds, classes or m, width)."""
        layer, rows = self.head_of(which)
        return params[f"{layer}.weight"][:, rows]

    def head_mask(self, which: str) -> Tensor:
        """Return a row (P,) of ones on the `class` or `aux` logits' weights and biases."""
        layer, rows = self.head_of(which)
        row = torch.zeros(1, self.layout.size)
        views = self.layout.views(row)
        for name in (f"{layer}.weight", f"{layer}.bias"):
            if name in views:
                views[name][:, rows] = 1
        return row[0]

    def row(self, row: int) -> "Network":
        """Return the network of one row of the stack: itself, unless each seed has its own."""
        return self

    def forward(self, params: Mapping[str, Tensor], x: Tensor) -> Tensor:
        """Map inputs (seeds, batch, pixels) to logits (seeds, outputs, classes + aux)."""
        return self.model.forward(params, x)

    @torch.no_grad()
    def logits(self, theta: Tensor, x: Tensor, *, batch_size: int = BATCH) -> Tensor:
        """Map inputs (seeds or 1, n, pixels) to logits (seeds, outputs, classes + m) in batches."""
        params, seeds = self.layout.views(theta), theta.shape[0]
        parts = (part.expand(seeds, -1, -1) for part in torch.split(x, batch_size, dim=1))
        return torch.cat([self.forward(params, part) for part in parts], dim=1)

    @torch.no_grad()
    def features(self, theta: Tensor, x: Tensor, scale: Callable[[Tensor], Tensor]) -> Tensor:
        """Map uint8 images (n, pixels), the same for all seeds, to features (seeds, n, width).

        Features are the last hidden layer's output. `scale` maps uint8 pixels to the network's
        inputs, as `Labelled.scale` does.
        """
        params, seeds = self.layout.views(theta), theta.shape[0]
        outputs = (
            self.model.activations(params, scale(part).expand(seeds, -1, -1))
            for part in torch.split(x, BATCH)
        )
        return torch.cat([output[self.hidden[-1]] for output in outputs], dim=1)


def cross_entropy(logits: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Cross-entropy of the class logits, batch mean.

    (seeds, batch, classes + m), labels (seeds, batch) -> (seeds,).
    """
    flat = logits[..., :classes].reshape(-1, classes)  # (seeds · batch, classes)
    losses = F.cross_entropy(flat, labels.reshape(-1), reduction="none")
    return losses.view(logits.shape[:-1]).mean(dim=-1)


def accuracy(logits: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Share of outputs whose largest class logit is the label's: -> (seeds,), in [0, 1]."""
    hits = logits[..., :classes].argmax(dim=-1) == labels
    return hits.sum(dim=-1).to(widest(hits.device)) / labels.shape[-1]


def probability(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the label's softmax probability, mean over examples: -> (seeds,)."""
    chances = torch.softmax(logits.to(widest(logits.device)), dim=-1)
    return chances.gather(-1, labels[..., None]).squeeze(-1).mean(dim=-1)


def margin(logits: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Return the label's class logit less the largest other, mean over outputs: -> (seeds,)."""
    class_logits = logits[..., :classes]
    of_label = class_logits.gather(-1, labels[..., None]).squeeze(-1)
    others = class_logits.scatter(-1, labels[..., None], float("-inf"))
    return (of_label - others.max(dim=-1).values).mean(dim=-1)
