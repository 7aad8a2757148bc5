"""Gaussian noise images without fine detail."""

from dataclasses import dataclass

import torch
from torch import Tensor

from subliminal.config.hashing import Positive
from subliminal.distill.inputs import Images
from subliminal.tensors.draws import Noise
from subliminal.tensors.images import square

WHERE = "distill/inputs=blurred"


@dataclass(frozen=True, kw_only=True)
class Blurred(Images):
    """White Gaussian noise, blurred by a Gaussian filter of `sigma` pixels, each pixel N(0, std²).

    The filter's weights along a side are exp(−d² / 2σ²) within the image, scaled so that every
    pixel, at the edge too, has the variance that it is to have: with σ → 0 it is
    `distill/inputs=normal`. Each of three colours has noise of its own.

    Attributes:
        sigma: standard deviation of the filter, pixels, > 0.
        std: standard deviation of a pixel, > 0; 1/√3 ≈ 0.577 matches the variance of U[-1, 1).
    """

    sigma: Positive[float]
    std: Positive[float]

    def fits(self, pixels: int) -> None:
        square(pixels, WHERE)

    def fill(self, images: Tensor, noise: Noise) -> None:
        noise.normal_(images)
        _, side = square(images.shape[-1], WHERE)
        places = torch.arange(side, device=images.device, dtype=torch.float32)
        distance = places[:, None] - places
        weights = torch.exp(-distance.square() / (2 * self.sigma**2))
        weights /= weights.norm(dim=1, keepdim=True)  # (side, side)
        for of_seed in images:  # the same products, to the last bit, in any stack
            maps = weights @ of_seed.reshape(-1, side, side) @ weights.T
            of_seed.copy_(maps.view_as(of_seed).mul_(self.std))
