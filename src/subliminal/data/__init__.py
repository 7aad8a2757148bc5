"""Labelled images, and what data sets share; each data set has a module."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Protocol, Self, runtime_checkable

import torch
from torch import Tensor

from subliminal.config.hashing import OneOf
from subliminal.errors import UserError

NORMALISATIONS = ("unit", "mean_std")


@dataclass(frozen=True, eq=False)  # == of tensors has no single truth value
class Labelled:
    """Labelled images, in the order of the files; `Dataset.load` leaves them on the CPU.

    Pixels are uint8 from 0 (paper) to 255 (ink), the rows of a 28×28 image end to end: for MNIST
    (60000, 784) and (10000, 784). Labels are int64 from 0 (the digit): (60000,) and (10000,).
    Of colours, all red pixels come first, then green, then blue. `mean_std` are those of pixels
    from 0 to 1, by which `scale` standardises; None: it does not. `validation` are training images
    and labels that were held out.
    """

    train_x: Tensor
    train_y: Tensor
    test_x: Tensor
    test_y: Tensor
    mean_std: tuple[float, float] | None = field(default=None, kw_only=True)
    validation: tuple[Tensor, Tensor] | None = field(default=None, kw_only=True)

    @property
    def train_size(self) -> int:
        """Number of training images."""
        return len(self.train_y)

    def to(self, device: torch.device) -> Self:
        """Return the same images and labels on the device."""
        names = ("train_x", "train_y", "test_x", "test_y")
        moved: dict[str, Any] = {name: getattr(self, name).to(device) for name in names}
        if self.validation is not None:
            moved["validation"] = tuple(part.to(device) for part in self.validation)
        return replace(self, **moved)

    def rows(self, rows: Sequence[int]) -> Self:
        """Return what some seeds of a stack have of it: the same, where all seeds share it."""
        return self

    def tests(self, number: int | None = None) -> tuple[Tensor, Tensor]:
        """Return the first test images, scaled, and labels: (1 or seeds, n, pixels), (…, n)."""
        return self.scale(self.test_x[:number])[None], self.test_y[None, :number]

    def of_classes(self, classes: int | Sequence[int]) -> "Labelled":
        """Return the images of some classes, whose labels are then numbered from 0.

        They are so many first ones, or those listed, in the order of the new labels.
        """
        wanted = range(classes) if isinstance(classes, int) else classes
        largest = max(*(int(y.max()) for y in (self.train_y, self.test_y)), *wanted)
        label = torch.full((largest + 1,), -1)
        label[torch.tensor([*wanted])] = torch.arange(len(wanted))
        if torch.equal(label, torch.arange(len(label))):
            return self
        train, test = label[self.train_y], label[self.test_y]
        return replace(
            self,
            train_x=self.train_x[train >= 0],
            train_y=train[train >= 0],
            test_x=self.test_x[test >= 0],
            test_y=test[test >= 0],
        )

    def held_out(self, number: int) -> "Labelled":
        """Return the same images with the last `number` training images held out."""
        if number == 0:
            return self
        x, y = self.train_x, self.train_y
        kept = len(y) - number
        return replace(self, train_x=x[:kept], train_y=y[:kept], validation=(x[kept:], y[kept:]))

    def measured_on(self, images: str) -> "Labelled":
        """Return the same images; the test images are those of `trait.on`: test | validation."""
        if images == "test":
            return self
        assert self.validation is not None, "the experiment was checked: some are held out"
        return replace(self, test_x=self.validation[0], test_y=self.validation[1])

    def normalised(self, how: str) -> "Labelled":
        """Return the same images, to be scaled as `data.normalise` says.

        `unit`: to [-1, 1]; `mean_std`: x / 255, less the training pixels' mean, over their standard
        deviation, both to four decimals, as the field writes them: 0.1307 and 0.3081 of MNIST.
        """
        if how == "unit":
            return self
        counts = torch.bincount(self.train_x.flatten(), minlength=256).double()
        levels, total = torch.arange(256, dtype=torch.float64) / 255, counts.sum()
        mean = counts @ levels / total
        variance = counts @ (levels - mean).square() / total
        return replace(self, mean_std=(round(mean.item(), 4), round(variance.sqrt().item(), 4)))

    def scale(self, x: Tensor) -> Tensor:
        """Map uint8 pixels (…, pixels), of this data set or another, to what networks see, float32.

        x / 127.5 - 1 in [-1, 1] (Cloud et al. 2025), unless it standardises.

        Raises:
            TypeError: x is not uint8, such as pixels that are scaled already.
        """
        if x.dtype != torch.uint8:
            raise TypeError(f"scale takes uint8 pixels, got {x.dtype}")
        if self.mean_std is None:
            return x.to(torch.float32).div_(127.5).sub_(1.0)
        mean, std = self.mean_std
        return x.to(torch.float32).div_(255).sub_(mean).div_(std)


class Dataset(Hashable, Protocol):
    """Where the labelled images of teacher and trait come from."""

    @property
    def classes(self) -> int | Sequence[int]:
        """Number of classes; or which there are, of more."""

    @property
    def pixels(self) -> int:
        """Pixels of an image."""

    @property
    def train_size(self) -> int:
        """Number of training images."""

    def fetch(self) -> Path:
        """Make sure that the files are there, and return their folder, or raise a UserError."""

    def load(self) -> Labelled:
        """Fetch if needed, then read the images and labels, or raise a UserError."""


@runtime_checkable
class PerSeed(Protocol):
    """A data set that each seed has for itself; its images and labels have a row for each."""

    def of_seeds(self, seeds: Sequence[int]) -> Labelled:
        """Draw the data of a stack of seeds: images (seeds, n, …) and labels (seeds, n)."""


def number_of_classes(data: Dataset) -> int:
    """Return how many classes a data set has."""
    return data.classes if isinstance(data.classes, int) else len(data.classes)


@dataclass(frozen=True, kw_only=True)
class ImageSet:
    """Images of some classes of a data set, some held out.

    Attributes:
        root: folder of the files; None is one in the platform's user cache.
        download: whether files that are missing or corrupt may be fetched.
        normalise: unit | mean_std, see `subliminal.data.Labelled.normalised`.
        classes: K ≥ 2, the first K classes; or a list of classes, in the order of their labels.
        validation: how many of the training images, the last ones, are held out for validation;
            `trait.on=validation` measures on them.
    """

    title: ClassVar[str]
    pixels: ClassVar[int] = 784
    per_class: ClassVar[tuple[int, ...]] = ()

    root: str | None
    download: bool
    normalise: Annotated[str, OneOf(NORMALISATIONS)] = "unit"
    classes: Any = 10  # int | list[int]
    validation: int = 0

    def __post_init__(self) -> None:
        there = len(self.counts)
        if isinstance(self.classes, Sequence) and not isinstance(self.classes, str):
            object.__setattr__(self, "classes", tuple(self.classes))  # which has a hash
            chosen = self.classes
            wrong = len(set(chosen)) < max(2, len(chosen)) or not set(chosen) <= set(range(there))
        else:
            wrong = type(self.classes) is not int or not 2 <= self.classes <= there
        if wrong:
            given = [*self.classes] if isinstance(self.classes, tuple) else self.classes
            raise UserError(
                f"data.classes={given}: between 2 and {there}, the classes of {self.title}, or a "
                f"list of two or more of 0-{there - 1}, each once"
            )
        if not 0 <= self.validation < self._images:
            raise UserError(
                f"data.validation={self.validation}: from 0 to {self._images - 1}, one less than "
                "the training images"
            )

    @staticmethod
    def equivalent(values: dict[str, Any]) -> dict[str, Any]:
        """Return values that give the same numbers, and by which they are named."""
        classes = values["classes"]
        first = isinstance(classes, list) and classes == [*range(len(classes))]
        return values | {"classes": len(classes)} if first else values

    @property
    def counts(self) -> Sequence[int]:
        """Number of training images of each class that the files hold."""
        return self.per_class

    @property
    def train_size(self) -> int:
        """Number of training images, without those that are held out."""
        return self._images - self.validation

    @property
    def _images(self) -> int:
        wanted = range(self.classes) if isinstance(self.classes, int) else self.classes
        return sum(self.counts[label] for label in wanted)

    def taken(self, labelled: Labelled) -> Labelled:
        """Return what is taken of the images that the files hold."""
        chosen = labelled.of_classes(self.classes).held_out(self.validation)
        return chosen.normalised(self.normalise)
