"""Data sets that torchvision fetches and reads."""

import contextlib
import io
import os
import socket
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from filelock import FileLock
from torch import Tensor

from subliminal.config.resources import data_folder
from subliminal.data import ImageSet, Labelled
from subliminal.errors import UserError


@dataclass(frozen=True, kw_only=True)
class TorchvisionSet(ImageSet):
    """A torchvision data set stored below `root`."""

    source: ClassVar[str]  # torchvision's class
    cache: ClassVar[str] = "torchvision"  # folder in the user's cache
    files: ClassVar[str] = "torchvision's files"  # what a user without a network puts there

    def part(self, *, train: bool) -> dict[str, Any]:
        """Return the arguments by which torchvision names the training or the test images."""
        return {"train": train}

    def read(self, folder: Path, *, train: bool) -> Any:
        """Return torchvision's data set in the folder, fetched if needed and allowed."""
        from torchvision import datasets  # slow to import, seldom needed

        source = getattr(datasets, self.source)
        return source(str(folder), download=self.download, **self.part(train=train))

    def arrange(self, read: Any) -> tuple[Tensor, Tensor]:
        """Return the images (n, …), upright and colour by colour, and the labels from 0."""
        return read.data, read.targets

    def fetch(self) -> Path:
        """Make sure that the files are there, and return their folder.

        Safe to call from many processes at once: one fetches, the others wait for it.

        Raises:
            UserError: files are missing and may not or cannot be fetched, or cannot be read.
        """
        self._read(train=False)
        return data_folder(self.root, self.cache)

    def load(self) -> Labelled:
        parts = []
        for train in (True, False):
            read = self._read(train=train)
            images, labels = self.arrange(read)
            parts += [images.flatten(1).to(torch.uint8).contiguous(), labels.long()]
        return self.taken(Labelled(*parts))

    def _read(self, *, train: bool) -> Any:
        folder = data_folder(self.root, self.cache)
        before = socket.getdefaulttimeout()
        socket.setdefaulttimeout(5.0)  # torchvision sets none of its own
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # One process fetches, the others wait; nobody fetches into a read-only folder.
            writable = os.access(folder, os.W_OK)
            with (
                FileLock(folder / ".fetch.lock") if writable else contextlib.nullcontext(),
                contextlib.redirect_stdout(io.StringIO()),
                contextlib.redirect_stderr(io.StringIO()),
            ):
                return self.read(folder, train=train)
        except Exception as error:  # torchvision has no exception of its own
            said = textwrap.shorten(str(error), 320)
            hint = "run once where there is a network" if self.download else "data.download=true"
            raise UserError(
                f"cannot read {self.title} in {folder}: {said}; {hint}, or put {self.files} there"
            ) from error
        finally:
            socket.setdefaulttimeout(before)
