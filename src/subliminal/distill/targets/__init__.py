"""Targets: what the student sees of its teacher's logits, one kind a module."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from subliminal.data import Labelled
from subliminal.tensors import streams
from subliminal.tensors.draws import Noise
from subliminal.tensors.network import Network


@dataclass(frozen=True)
class Variant:
    """A teacher from the same θ₀ as the plain one, trained in another way.

    Attributes:
        order: number of another order of the digits; 0: the plain one.
        part: (i, k): of the training digits every k-th, from the i-th on.
        shift: class c is labelled (c + shift) mod classes: another trait.
        untaught: reference (θ₀ itself) | displaced (as far from it as the plain teacher, in a
            random direction); "": it learns.
    """

    order: int = 0
    part: tuple[int, int] = (0, 1)
    shift: int = 0
    untaught: str = ""

    @property
    def name(self) -> str:
        """What tells its training from others'; empty: the plain teacher's."""
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
        choice: the same of each run, whatever is pinned: for the choice of examples.
        size: number of examples; a document has several rows among the n of logits.
        score: each example's score at θ₀ (seeds, size), by its name in `subliminal.distill.SCORES`.
    """

    logits: Tensor
    others: tuple[Tensor, ...]
    classes: int
    noise: Noise
    choice: Noise
    size: int
    score: Callable[[str], Tensor]

    def lowest(self, share: float, values: Tensor | None = None, *, sign: int = 1) -> Tensor:
        """Return where the share of examples with the lowest values is: (seeds, n, 1), bool.

        sign · `values` (seeds, size) count; without `values` numbers drawn of `choice`.
        """
        if values is None:
            drawn = self.logits.new_empty(len(self.logits), self.size, 1)
            values = self.choice.uniform_(drawn).squeeze(-1)
        ranks = (sign * values).argsort(dim=1, stable=True).argsort(dim=1)
        chosen = ranks < round(share * self.size)
        return chosen.repeat_interleave(self.logits.shape[1] // self.size, dim=1)[..., None]

    def by_head(self, *values: Tensor) -> Iterator[tuple[Tensor, ...]]:
        """Yield the class columns of each of the values, then the auxiliary ones: (seeds, n, …)."""
        widths = [self.classes, self.logits.shape[-1] - self.classes]
        return zip(*(torch.split(each, widths, dim=-1) for each in values), strict=True)


class Targets:
    """Logits for the student to match, made of its teacher's; subclasses define `__call__`.

    A softmax is taken over the class logits and over the auxiliary logits separately.
    """

    @property
    def needs_gradient(self) -> bool:
        """Whether they take the trait gradient at θ₀."""
        return False

    @property
    def variants(self) -> tuple[Variant, ...]:
        """The other teachers that the targets need."""
        return ()

    @property
    def masks(self) -> bool:
        """Whether some images may have no target, which is NaN: these cost and teach nothing."""
        return False

    @property
    def choice(self) -> str:
        """The stream by which examples are chosen at random."""
        return streams.CHOICE

    @property
    def kept(self) -> float:
        """The share of images that have a target, where it is known before."""
        return 1.0

    def check(self, network: Network) -> None:
        """Raise a UserError when they do not fit the teacher's network."""

    def __call__(self, given: Given) -> Tensor:
        """Return the targets, logits (seeds, n, classes + m)."""
        raise NotImplementedError
