"""Labelled images: what a data set hands over, one module for each data set."""

from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from subliminal.errors import UserError

NORMALISATIONS = ("unit", "mean_std")


@dataclass(frozen=True, eq=False)  # == of tensors has no single truth value
class Labelled:
    """Labelled images, in the order of the files; `Dataset.load` leaves them on the CPU.

    Pixels are uint8 from 0 (paper) to 255 (ink), the rows of a 28×28 image end to end: for MNIST
    (60000, 784) and (10000, 784). Labels are int64 from 0 (the digit): (60000,) and (10000,).
    `mean_std` are those of pixels from 0 to 1, by which `scale` standardises; None: it does not.
    """

    train_x: Tensor
    train_y: Tensor
    test_x: Tensor
    test_y: Tensor
    mean_std: tuple[float, float] | None = field(default=None, kw_only=True)

    def to(self, device: torch.device) -> "Labelled":
        """Return the same images and labels on the device."""
        parts = (self.train_x, self.train_y, self.test_x, self.test_y)
        return Labelled(*(part.to(device) for part in parts), mean_std=self.mean_std)

    def normalised(self, how: str) -> "Labelled":
        """Return the same images, to be scaled as `data.normalise` says.

        Args:
            how: `unit`: to [-1, 1]; `mean_std`: x / 255, less the training pixels' mean, over their
                standard deviation, both to four decimals, as the field writes them: 0.1307 and
                0.3081 of MNIST.
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


def check_normalise(normalise: str) -> None:
    """Check the value of `data.normalise`.

    Raises:
        UserError: it is none of NORMALISATIONS.
    """
    if normalise not in NORMALISATIONS:
        raise UserError(f"data.normalise={normalise}: one of {', '.join(NORMALISATIONS)}")
