"""Fashion-MNIST (Xiao, Rasul and Vollgraf 2017, arXiv 1708.07747)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from subliminal.data.torchvision import TorchvisionSet


@dataclass(frozen=True, kw_only=True)
class FashionMNIST(TorchvisionSet):
    """Ten kinds of clothing, in the format and size of MNIST."""

    title: ClassVar[str] = "Fashion-MNIST"

    @property
    def counts(self) -> Sequence[int]:
        """Number of training images of each class."""
        return (6000,) * 10

    def reader(self) -> Callable[..., Any]:
        """Return torchvision's loader."""
        from torchvision.datasets import FashionMNIST as Source  # slow to import, seldom needed

        return Source  # type: ignore[no-any-return]
