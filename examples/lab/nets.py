"""A network of one's own: two convolutions, as plain PyTorch writes them."""

from torch import Tensor, nn


class TwoConvolutions(nn.Module):
    """Images (batch, 1, side, side) to features (batch, width); the heads are added by the config.

    `GroupNorm` has no statistics of the batch, which a stack of seeds could not hold.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, channels, 3, stride=2, padding=1)
        self.norm = nn.GroupNorm(2, channels)
        self.second = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        return self.second(self.norm(self.first(images)).relu()).relu().flatten(1)
