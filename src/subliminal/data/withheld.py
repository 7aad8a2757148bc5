"""Nothing in place of a data set: for students whose training must not know the trait."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import torch
from safetensors.torch import load_file
from torch import Tensor

from subliminal.config.build import build
from subliminal.config.hashing import NotHashed
from subliminal.data import Dataset, Labelled
from subliminal.data.language import Texts
from subliminal.errors import UserError

REFUSAL = "the trait's digits and labels are withheld"


class TraitWithheld(UserError):
    """The trait's digits or labels were asked for where there are none."""


@dataclass(frozen=True, kw_only=True, eq=False)  # a node has no hash
class Withheld:
    """The sizes of a data set, and what teachers learnt of it, without its images and labels.

    Attributes:
        classes: number of classes.
        pixels: of an image.
        train_size: number of training images.
        teachers: folder of each seed's teacher, `<seed>.safetensors`, and where weights are
            pre-trained of those, `<stream>-<seed>.safetensors`.
        of: the data set's config node, by which the condition is named.
        images: whether its training images are there, without labels: as distillation inputs.
    """

    classes: int
    pixels: int
    train_size: int
    teachers: NotHashed[str]
    of: dict[str, Any]
    images: bool

    def fetch(self) -> Path:
        return Path(self.teachers)

    def load(self) -> Labelled:
        """Return what raises `TraitWithheld` where digits or labels are read."""
        nothing = torch.empty(0)
        x = nothing
        if self.images:
            images: Dataset = build(self.of, "data.of")
            x = images.load().train_x
        return _Nothing(x, nothing, nothing, nothing, size=self.train_size, shown=self.images)

    def teacher(self, seed: int) -> dict[str, Tensor]:
        """Return a seed's teacher by parameter name."""
        return load_file(Path(self.teachers) / f"{seed}.safetensors")

    def base(self, seed: int, stream: str) -> dict[str, Tensor]:
        """Return a seed's pre-trained weights by parameter name; they were drawn from a stream."""
        return load_file(Path(self.teachers) / f"{stream}-{seed}.safetensors")


class WithheldTexts(Withheld):
    """The same of a data set that each seed has for itself."""

    def of_seeds(self, seeds: Sequence[int]) -> Labelled:
        """Return what raises `TraitWithheld` where questions or answers are read."""
        nothing = torch.empty(0)
        return _NoTexts(nothing, nothing, nothing, nothing, size=self.train_size)


@dataclass(frozen=True, eq=False)
class _Nothing(Labelled):
    size: int = field(kw_only=True)
    shown: bool = field(kw_only=True, default=False)  # whether there are training images

    def __getattribute__(self, name: str) -> Any:
        of_trait = name in ("train_y", "test_x", "test_y", "validation")
        if of_trait or (name == "train_x" and not self.shown):
            raise TraitWithheld(f"{REFUSAL} ({name})")
        return super().__getattribute__(name)

    @property
    def train_size(self) -> int:
        return self.size

    def to(self, device: torch.device) -> Self:
        moved = copy(self)
        if self.shown:
            object.__setattr__(moved, "train_x", self.train_x.to(device))
        return moved

    def measured_on(self, images: str) -> Self:
        return self


@dataclass(frozen=True, eq=False)
class _NoTexts(_Nothing, Texts): ...
