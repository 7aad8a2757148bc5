"""A residual network for small images (He et al. 2016, arXiv 1603.05027), with GroupNorm."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn


class ResNet(nn.Module):
    """A strided convolution → pre-activation blocks → GroupNorm, ReLU → mean over positions.

    Args:
        channels: of the blocks, multiples of `groups`; each but the first halves the image's side.
            The last is the number of features.
        groups: of each GroupNorm, which takes no statistics of batches.
    """

    def __init__(self, *, channels: Sequence[int], groups: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, channels[0], 3, stride=2, padding=1)
        first = Block(channels[0], channels[0], groups, stride=1)
        others = (Block(a, b, groups, stride=2) for a, b in pairwise(channels))
        self.blocks = nn.Sequential(first, *others)
        self.norm = nn.GroupNorm(groups, channels[-1])

    def forward(self, images: Tensor) -> Tensor:
        """Map (batch, 1, side, side) to (batch, channels[-1])."""
        maps: Tensor = self.norm(self.blocks(self.stem(images))).relu()
        return maps.mean(dim=(2, 3))


class Block(nn.Module):
    """Two times GroupNorm, ReLU and a 3×3 convolution, added to what came in."""

    def __init__(self, before: int, channels: int, groups: int, *, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, before)
        self.conv1 = nn.Conv2d(before, channels, 3, stride=stride, padding=1, bias=False)
        self.norm2 = nn.GroupNorm(groups, channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        same = stride == 1 and before == channels
        self.past = nn.Identity() if same else nn.Conv2d(before, channels, 1, stride, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Map (batch, before, side, side) to (batch, channels, side / stride, side / stride)."""
        inner = self.conv1(self.norm1(maps).relu())
        out: Tensor = self.past(maps) + self.conv2(self.norm2(inner).relu())
        return out
