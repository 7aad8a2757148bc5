"""A user's own images: two `.npy` files, or a folder with one of image files for each class."""

import hashlib
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from annotated_types import Ge
from PIL import Image
from torch import Tensor

from subliminal.config.hashing import NotHashed
from subliminal.data import ImageSet, Labelled
from subliminal.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Arrays(ImageSet):
    """Images in your own files, whose contents, and not their place, name a condition.

    Attributes:
        images: a file `.npy` of uint8 (n, height, width), with a last dimension of 3 for colours;
            or a folder, whose folders are the classes in alphabetical order.
        labels: a file `.npy` of whole numbers from 0 (n,); null: `images` is a folder.
        test_every: each k-th image, k ≥ 2, is a test image, the others are training images.
        classes: as for every data set; null: all.
    """

    title: ClassVar[str] = "data.images"

    root: NotHashed[str | None] = None
    download: NotHashed[bool] = False
    images: str
    labels: str | None = None
    test_every: Annotated[int, Ge(2)] = 6
    classes: Any = None  # int | list[int]

    def __post_init__(self) -> None:
        if self.classes is None:
            object.__setattr__(self, "classes", len(self.counts))
        super().__post_init__()

    @staticmethod
    def equivalent(values: dict[str, Any]) -> dict[str, Any]:
        content = checksum(values["images"], values["labels"])
        return ImageSet.equivalent(values) | {"images": content, "labels": None}

    @property
    def pixels(self) -> int:  # type: ignore[override]  # of a class elsewhere
        """Pixels of an image, those of all colours."""
        return self._read[0].shape[1]

    @property
    def counts(self) -> list[int]:
        labels = self._read[1]
        train = torch.arange(len(labels)) % self.test_every != 0
        return torch.bincount(labels[train], minlength=int(labels.max()) + 1).tolist()

    def fetch(self) -> Path:
        """Return the place of the images; there is nothing to fetch."""
        return Path(self.images)

    def load(self) -> Labelled:
        x, y = self._read
        test = torch.arange(len(y)) % self.test_every == 0
        return self.taken(Labelled(x[~test], y[~test], x[test], y[test]))

    @property
    def _read(self) -> tuple[Tensor, Tensor]:
        return read(self.images, self.labels, checksum(self.images, self.labels))


def checksum(images: str, labels: str | None) -> str:
    """Return the SHA-256 of the names and contents of all files of images and labels.

    Raises:
        UserError: there is no such file.
    """
    digest = hashlib.sha256()
    for place in filter(None, (images, labels)):
        for file in sorted(p for p in Path(place).rglob("*") if p.is_file()) or [Path(place)]:
            try:
                stat = file.stat()
            except OSError as error:
                raise UserError(f"data: {file} cannot be read ({type(error).__name__})") from error
            digest.update(_checksum(file, stat.st_mtime_ns, stat.st_size))
            digest.update(file.relative_to(place).as_posix().encode())
    return digest.hexdigest()


@cache  # every job of a sweep needs it
def _checksum(file: Path, *as_it_is: int) -> bytes:
    return hashlib.sha256(file.read_bytes()).digest()


@lru_cache(maxsize=2)
def read(images: str, labels: str | None, content: str) -> tuple[Tensor, Tensor]:
    """Return uint8 images (n, pixels), colour by colour, and int64 labels (n,).

    Raises:
        UserError: a file cannot be read, or does not hold images or labels.
    """
    try:
        if labels is None:
            x, y = _folder(Path(images))
        else:
            x, y = (np.load(file, allow_pickle=False) for file in (images, labels))
    except (OSError, ValueError) as error:
        raise UserError(f"data: {images}: cannot be read ({error})") from error
    if x.dtype != np.uint8 or x.ndim not in (3, 4) or x.shape[3:] not in ((), (3,)):
        need = "uint8 (n, height, width), or (n, height, width, 3) in colour, is needed"
        raise UserError(f"data.images={images}: {x.dtype} {x.shape}; {need}")
    if y.shape != x.shape[:1] or y.dtype.kind not in "iu" or len(y) == 0 or y.min() < 0:
        raise UserError(f"data.labels={labels}: {len(x)} whole numbers from 0 are needed")
    pixels = np.ascontiguousarray(x if x.ndim == 3 else x.transpose(0, 3, 1, 2))
    return torch.from_numpy(pixels).flatten(1), torch.from_numpy(y.astype(np.int64))


def _folder(folder: Path) -> tuple[Any, Any]:
    """Return the images of a folder and the numbers of their classes."""
    classes = sorted(place for place in folder.iterdir() if place.is_dir())
    files = [(f, k) for k, place in enumerate(classes) for f in sorted(place.iterdir())]
    images = []
    for file, _ in files:
        with Image.open(file) as image:
            images.append(np.asarray(image))
    # An error unless they are of one size, all gray or all RGB.
    return np.stack(images), np.array([k for _, k in files])
