"""Images of clothing: natural images that are no digits."""

from dataclasses import dataclass

import numpy as np
import torch

from subliminal.data.fashion import FashionMNIST
from subliminal.distill.inputs import FixedImages, choice
from subliminal.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Fashion(FixedImages):
    """`size` training images of Fashion-MNIST, each at most once unless there are fewer.

    Attributes:
        root: folder of the data set; None is the user's cache.
        download: whether files that are missing may be fetched.
    """

    root: str | None
    download: bool

    def fetch(self) -> None:
        FashionMNIST(root=self.root, download=self.download).fetch()

    def fits(self, pixels: int) -> None:
        if pixels != FashionMNIST.pixels:
            raise UserError(
                f"distill/inputs=fashion: its images have {FashionMNIST.pixels} pixels, those of "
                f"the data set {pixels}"
            )

    def draw(self, pixels: int, *, generator: np.random.Generator) -> np.ndarray:
        clothes = FashionMNIST(root=self.root, download=self.download).load().train_x
        rows = torch.from_numpy(choice(len(clothes), self.size, generator))
        images: np.ndarray = clothes[rows].numpy()
        return images
