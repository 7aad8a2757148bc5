"""Targets: what the student sees of its teacher's logits, one kind a module."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from subliminal.data import Labelled
from subliminal.tensors.draws import Noise
from subliminal.tensors.network import Network


@dataclass(frozen=True)
class Variant:
    """A teacher from the same θ₀ as the plain one, trained in another way.

    Attributes:
        order: number of another order of the digits; 0: the plain one.
        part: (i, k): of the training digits every k-th, from the i-th on.
        shift: class c is labelled (c + shift) mod classes: another trait.
    """

    order: int = 0
    part: tuple[int, int] = (0, 1)
    shift: int = 0

    @property
    def name(self) -> str:
        """What tells it from others; empty: the plain teacher."""
        part = f"{self.part[0]}/{self.part[1]}" if self.part[1] > 1 else ""
        named = {"order": self.order or "", "part": part, "shift": self.shift or ""}
        return ",".join(f"{key}={value}" for key, value in named.items() if value)

    def stream(self, plain: str) -> str:
        """Return the name of the stream that orders the examples, of the plain teacher's."""
        return f"{plain}/{self.order}" if self.order else plain

    def digits(self, data: Labelled) -> Labelled:
        """Return the data set with the training digits that it learns from."""
        start, step = self.part
        if step == 1:
            return data
        x, y = (every[start::step].contiguous() for every in (data.train_x, data.train_y))
        return replace(data, train_x=x, train_y=y)


PLAIN = Variant()


@dataclass(frozen=True)
class Given:
    """What targets are made of.

    Attributes:
        logits: the teacher's on all images of an epoch, (seeds, n, classes + m).
        others: those of the teachers of `Targets.variants`.
        classes: number of class logits, which come first.
        noise: each seed's own stream, image by image.
    """

    logits: Tensor
    others: tuple[Tensor, ...]
    classes: int
    noise: Noise

    def by_head(self, *values: Tensor) -> Iterator[tuple[Tensor, ...]]:
        """Yield the class columns of each of the values, then the auxiliary ones: (seeds, n, …)."""
        widths = [self.classes, self.logits.shape[-1] - self.classes]
        return zip(*(torch.split(each, widths, dim=-1) for each in values), strict=True)


class Targets:
    """Logits for the student to match, made of its teacher's; subclasses define `__call__`.

    A softmax is taken over the class logits and over the auxiliary logits separately.
    """

    needs_trait: ClassVar[bool] = False  # whether they are made with knowledge of the trait

    @property
    def variants(self) -> tuple[Variant, ...]:
        """The other teachers that the targets need."""
        return ()

    @property
    def masks(self) -> bool:
        """Whether some images may have no target, which is NaN: these cost and teach nothing."""
        return False

    def check(self, network: Network) -> None:
        """Raise a UserError when they do not fit the teacher's network."""

    def __call__(self, given: Given) -> Tensor:
        """Return the targets, logits (seeds, n, classes + m)."""
        raise NotImplementedError
