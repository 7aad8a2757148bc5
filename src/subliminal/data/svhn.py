"""Street View House Numbers (Netzer et al. 2011, NIPS workshop on deep learning)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from subliminal.data.torchvision import TorchvisionSet


@dataclass(frozen=True, kw_only=True)
class SVHN(TorchvisionSet):
    """Digits on houses, 32×32 pixels in colour, cut out; without the "extra" images."""

    title: ClassVar[str] = "SVHN"
    pixels: ClassVar[int] = 3 * 32 * 32

    @property
    def counts(self) -> Sequence[int]:
        """Number of training images of each class."""
        return (
            *(4948, 13861, 10585, 8497, 7458),
            *(6882, 5727, 5595, 5045, 4659),
        )

    def reader(self) -> Callable[..., Any]:
        """Return torchvision's loader, which names the two parts otherwise."""
        from torchvision.datasets import SVHN as Source  # slow to import, seldom needed

        def read(root: str, *, train: bool, download: bool) -> Any:
            return Source(root, split="train" if train else "test", download=download)

        return read

    def arrange(self, read: Any) -> tuple[Tensor, Tensor]:
        """Return the images (n, 3, 32, 32) and labels."""
        return torch.from_numpy(read.data), torch.from_numpy(read.labels)
