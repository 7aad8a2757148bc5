"""Data sets that torchvision fetches and reads: Fashion-MNIST and EMNIST."""

import contextlib
import io
import socket
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from filelock import FileLock
from torch import Tensor

from subliminal.config.resources import data_folder
from subliminal.data import Labelled, check_normalise
from subliminal.errors import UserError


@dataclass(frozen=True, kw_only=True)
class TorchvisionSet:
    """A data set of 28×28 images, of which the first `classes` classes are taken.

    Attributes:
        root: folder that torchvision's own folder is made in; None is the user's cache.
        download: whether files that are missing may be fetched from torchvision's mirror.
        normalise: unit | mean_std, see `subliminal.data.Labelled.normalised`.
    """

    title: ClassVar[str]
    pixels: ClassVar[int] = 784

    root: str | None
    download: bool
    normalise: str = "unit"

    def __post_init__(self) -> None:
        check_normalise(self.normalise)

    def reader(self) -> Callable[..., Any]:
        """Return torchvision's loader: (root, train=…, download=…) to a data set."""
        raise NotImplementedError

    def arrange(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the images (n, 28, 28) upright and the labels from 0, of the wanted classes."""
        return images, labels

    def fetch(self) -> Path:
        """Make sure that the files are there, and return their folder.

        Raises:
            UserError: they are missing and may not or cannot be fetched, or cannot be read.
        """
        self._read(train=False)
        return self._folder()

    def load(self) -> Labelled:
        """Fetch if needed, then read the images and labels.

        Raises:
            UserError: as `fetch`.
        """
        parts = []
        for train in (True, False):
            read = self._read(train=train)
            images, labels = self.arrange(read.data, read.targets)
            parts += [images.flatten(1).to(torch.uint8).contiguous(), labels.long()]
        return Labelled(*parts).normalised(self.normalise)

    def _folder(self) -> Path:
        return data_folder(self.root, "torchvision")

    def _read(self, *, train: bool) -> Any:
        folder = self._folder()
        before = socket.getdefaulttimeout()
        socket.setdefaulttimeout(5.0)  # torchvision sets none of its own
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with (
                FileLock(folder / ".fetch.lock"),  # one process fetches, the others wait
                contextlib.redirect_stdout(io.StringIO()),
                contextlib.redirect_stderr(io.StringIO()),
            ):
                return self.reader()(str(folder), train=train, download=self.download)
        except Exception as error:  # torchvision has no exception of its own
            said = textwrap.shorten(str(error), 160)
            hint = "run once where there is a network" if self.download else "data.download=true"
            raise UserError(
                f"cannot read {self.title} in {folder}: {said}; {hint}, or put torchvision's "
                "files there"
            ) from error
        finally:
            socket.setdefaulttimeout(before)
