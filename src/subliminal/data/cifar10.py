"""CIFAR-10 (Krizhevsky 2009, "Learning multiple layers of features from tiny images")."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from subliminal.data.torchvision import TorchvisionSet


@dataclass(frozen=True, kw_only=True)
class CIFAR10(TorchvisionSet):
    """Ten kinds of things and animals, 32×32 pixels in colour."""

    title: ClassVar[str] = "CIFAR-10"
    pixels: ClassVar[int] = 3 * 32 * 32
    source: ClassVar[str] = "CIFAR10"
    per_class: ClassVar[tuple[int, ...]] = (5000,) * 10

    def arrange(self, read: Any) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(read.data).permute(0, 3, 1, 2), torch.tensor(read.targets)
