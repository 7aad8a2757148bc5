"""Labelled images: what a data set hands over, one module for each data set."""

from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)  # == of tensors has no single truth value
class Labelled:
    """Labelled images, in the order of the files; `Dataset.load` leaves them on the CPU.

    Pixels are uint8 from 0 (paper) to 255 (ink), the rows of a 28×28 image end to end: for MNIST
    (60000, 784) and (10000, 784). Labels are int64 from 0 (the digit): (60000,) and (10000,).
    """

    train_x: Tensor
    train_y: Tensor
    test_x: Tensor
    test_y: Tensor

    def to(self, device: torch.device) -> "Labelled":
        """Return the same images and labels on the device."""
        parts = (self.train_x, self.train_y, self.test_x, self.test_y)
        return Labelled(*(part.to(device) for part in parts))


class Dataset(Hashable, Protocol):
    """Where the labelled images of teacher and trait come from."""

    @property
    def classes(self) -> int:
        """Number of classes."""

    @property
    def pixels(self) -> int:
        """Pixels of an image."""

    @property
    def train_size(self) -> int:
        """Number of training images."""

    def fetch(self) -> Path:
        """Make sure that the files are there, and return their folder, or raise a UserError."""

    def load(self) -> Labelled:
        """Fetch if needed, then read the images and labels."""


def scale(x: Tensor) -> Tensor:
    """Map uint8 pixels (…, 784) to float32 in [-1, 1] by x / 127.5 - 1 (Cloud et al. 2025).

    Raises:
        TypeError: x is not uint8, such as pixels that are scaled already.
    """
    if x.dtype != torch.uint8:
        raise TypeError(f"scale takes uint8 pixels, got {x.dtype}")
    return x.to(torch.float32).div_(127.5).sub_(1.0)
