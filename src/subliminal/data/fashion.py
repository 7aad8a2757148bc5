"""Fashion-MNIST (Xiao, Rasul and Vollgraf 2017, arXiv 1708.07747)."""

from dataclasses import dataclass
from typing import ClassVar

from subliminal.data.torchvision import TorchvisionSet


@dataclass(frozen=True, kw_only=True)
class FashionMNIST(TorchvisionSet):
    """Ten kinds of clothing, in the format and size of MNIST."""

    title: ClassVar[str] = "Fashion-MNIST"
    source: ClassVar[str] = "FashionMNIST"
    per_class: ClassVar[tuple[int, ...]] = (6000,) * 10
