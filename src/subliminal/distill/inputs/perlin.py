"""Perlin noise images (Perlin 1985, SIGGRAPH 19(3); Brockers et al. 2026, arXiv 2605.23645)."""

from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np

from subliminal.config.hashing import Count
from subliminal.distill.inputs import Images
from subliminal.tensors.images import channels


@dataclass(frozen=True, kw_only=True)
class Perlin(Images):
    """Smooth noise: random gradients on a grid of `resolution`² cells, blended with 6t⁵−15t⁴+10t³.

    Each image is divided by its largest absolute value, so it spans up to [-1, 1]. Each of three
    colours has noise of its own. An image that is not square is cut, row by row, from the smallest
    square that holds it.

    Attributes:
        resolution: cells along each side, ≥ 1.
    """

    resolution: Count

    def draw(self, pixels: int, *, generator: np.random.Generator) -> np.ndarray:
        colours = channels(pixels)
        blend = blending(pixels // colours, self.resolution)
        angles = generator.random((self.size * colours, len(blend) // 2), dtype=np.float32)
        angles *= 2 * np.float32(np.pi)
        maps = np.concatenate([np.cos(angles), np.sin(angles)], axis=1) @ blend
        images: np.ndarray = maps.reshape(self.size, pixels)
        images /= np.abs(images).max(axis=1, keepdims=True)
        return images


def blending(pixels: int, resolution: int) -> np.ndarray:
    """Return the matrix (2 · (resolution + 1)², pixels) from gradients to an image, float32.

    An image is linear in its gradients. Rows: the x-components of all grid corners, row by row,
    then the y-components.
    """
    side = ceil(sqrt(pixels))
    at = (np.arange(side) + 0.5) * resolution / side  # pixel centres, in cells
    cell = np.minimum(at.astype(int), resolution - 1)
    corners = resolution + 1
    # Along one side: weight and offset of each corner at each pixel, (side, corners).
    weight, offset = np.zeros((side, corners)), at[:, None] - np.arange(corners)
    t = at - cell
    fade = t**3 * (t * (6 * t - 15) + 10)
    weight[np.arange(side), cell], weight[np.arange(side), cell + 1] = 1 - fade, fade
    # blend[corner y, corner x, pixel y, pixel x] = weight · offset along x, then along y.
    both = np.einsum("ya,xb->abyx", weight, weight)
    along_x = both * offset.T[None, :, None, :]
    along_y = both * offset.T[:, None, :, None]
    rows = np.stack([along_x, along_y]).reshape(2 * corners**2, side * side)
    return rows[:, :pixels].astype(np.float32)
