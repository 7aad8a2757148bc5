"""The choice of images that all data sets share: some classes, some images held out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from subliminal.config.hashing import OneOf
from subliminal.data import NORMALISATIONS, Labelled
from subliminal.errors import UserError


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
