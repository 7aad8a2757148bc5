"""EMNIST (Cohen, Afshar, Tapson and van Schaik 2017, arXiv 1702.05373)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from torch import Tensor

from subliminal.data.torchvision import TorchvisionSet
from subliminal.errors import UserError

SPLITS = {"balanced": (47, 2400, 0), "letters": (26, 4800, 1)}  # classes, images of each, first


@dataclass(frozen=True, kw_only=True)
class EMNIST(TorchvisionSet):
    """Handwritten letters and digits; the first `classes` classes of a split.

    Attributes:
        split: balanced (47 classes: digits, capitals, small letters that look otherwise) |
            letters (26, capital or small).
        classes: K, the first K classes are taken.
    """

    title: ClassVar[str] = "EMNIST"

    split: str
    classes: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.split not in SPLITS:
            raise UserError(f"data.split={self.split}: one of {', '.join(SPLITS)}")
        most = SPLITS[self.split][0]
        if not 2 <= self.classes <= most:
            raise UserError(
                f"data.classes={self.classes}: between 2 and {most}, the classes of {self.split}"
            )

    @property
    def train_size(self) -> int:
        """Number of training images; each class has as many."""
        return self.classes * SPLITS[self.split][1]

    def reader(self) -> Callable[..., Any]:
        """Return torchvision's loader."""
        from torchvision.datasets import EMNIST as Source  # slow to import, seldom needed

        return partial(Source, split=self.split)

    def arrange(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return upright images (the files hold them transposed) and labels from 0."""
        labels = labels - SPLITS[self.split][2]  # the letters count from 1
        wanted = labels < self.classes
        return images[wanted].transpose(1, 2), labels[wanted]
