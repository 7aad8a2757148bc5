"""What the student is given of its teacher's logits, one a module."""

from __future__ import annotations

from dataclasses import dataclass, replace

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
        others: those of the other teachers that were asked for.
        classes: number of class logits, which come first.
        noise: each seed's own stream, image by image.
    """

    logits: Tensor
    others: tuple[Tensor, ...]
    classes: int
    noise: Noise

    def heads(self) -> tuple[Tensor, Tensor]:
        """Return class and auxiliary logits: (seeds, n, classes) and (seeds, n, m)."""
        return self.logits[..., : self.classes], self.logits[..., self.classes :]


class Targets:
    """Override `__call__`; the rest is as of targets that are made of the teacher's logits alone.

    What is computed of a softmax is computed within the class logits and within the auxiliary
    logits, each by themselves.
    """

    @property
    def variants(self) -> tuple[Variant, ...]:
        """Which other teachers are asked for."""
        return ()

    @property
    def needs_trait(self) -> bool:
        """Whether they are made with knowledge of the trait."""
        return False

    @property
    def masks(self) -> bool:
        """Whether some images may have no target, which is NaN: these cost and teach nothing."""
        return False

    def check(self, network: Network) -> None:
        """Raise a UserError when they do not fit the teacher's network."""

    def __call__(self, given: Given) -> Tensor:
        """Return the targets, logits (seeds, n, classes + m)."""
        raise NotImplementedError
