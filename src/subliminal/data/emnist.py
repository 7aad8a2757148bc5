"""EMNIST (Cohen, Afshar, Tapson and van Schaik 2017, arXiv 1702.05373)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from torch import Tensor

from subliminal.config.hashing import AlwaysHashed, OneOf
from subliminal.data.torchvision import TorchvisionSet

SPLITS = {"balanced": (47, 2400, 0), "letters": (26, 4800, 1)}  # classes, images of each, first


@dataclass(frozen=True, kw_only=True)
class EMNIST(TorchvisionSet):
    """Handwritten letters and digits, as many of each class.

    Attributes:
        split: balanced (47 classes: digits, capitals, small letters that look otherwise) |
            letters (26, capital or small).
    """

    title: ClassVar[str] = "EMNIST"
    source: ClassVar[str] = "EMNIST"

    split: Annotated[str, OneOf(SPLITS)]
    classes: AlwaysHashed[Any] = 10  # always hashed: EMNIST had this key first

    @property
    def counts(self) -> Sequence[int]:
        classes, images, _ = SPLITS[self.split]
        return (images,) * classes

    def part(self, *, train: bool) -> dict[str, Any]:
        return {"split": self.split, "train": train}

    def arrange(self, read: Any) -> tuple[Tensor, Tensor]:
        """Return upright images (the files hold them transposed) and labels from 0."""
        # The letters count from 1.
        return read.data.transpose(1, 2), read.targets - SPLITS[self.split][2]
