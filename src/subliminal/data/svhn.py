"""Street View House Numbers (Netzer et al. 2011, NIPS workshop on deep learning)."""

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
    source: ClassVar[str] = "SVHN"
    per_class: ClassVar[tuple[int, ...]] = (
        *(4948, 13861, 10585, 8497, 7458),
        *(6882, 5727, 5595, 5045, 4659),
    )

    def part(self, *, train: bool) -> dict[str, Any]:
        return {"split": "train" if train else "test"}

    def arrange(self, read: Any) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(read.data), torch.from_numpy(read.labels)
