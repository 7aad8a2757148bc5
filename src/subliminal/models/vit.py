"""A vision transformer for small images (Dosovitskiy et al. 2021, arXiv 2010.11929)."""

import torch
from torch import Tensor, nn

from subliminal.models.dropout import Dropout


class ViT(nn.Module):
    """Patches → tokens with learnt positions → pre-norm blocks → LayerNorm → mean over tokens.

    Args:
        side: of the images, a multiple of `patch`.
        patch: the side of a patch.
        width: of the tokens, and so of the features; a multiple of `attention`.
        depth: number of blocks.
        attention: heads of each block.
        dropout: rate of what each block adds to its tokens.
    """

    def __init__(
        self, *, side: int, patch: int, width: int, depth: int, attention: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if side % patch or width % attention:
            raise ValueError("side must be a multiple of patch, width one of attention")
        self.patches = nn.Conv2d(1, width, patch, stride=patch)
        self.positions = nn.Parameter(0.02 * torch.randn((side // patch) ** 2, width))
        self.blocks = nn.Sequential(*(Block(width, attention, dropout) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)

    def forward(self, images: Tensor) -> Tensor:
        """Map (batch, 1, side, side) to (batch, width)."""
        tokens = self.patches(images).flatten(2).mT + self.positions  # (batch, tokens, width)
        features: Tensor = self.norm(self.blocks(tokens)).mean(dim=1)
        return features


class Block(nn.Module):
    """Attention, then two linear layers with GELU, each on normed tokens and added to them."""

    def __init__(self, width: int, attention: int, dropout: float) -> None:
        super().__init__()
        self.attention = attention
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.mixed = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.dropout1, self.dropout2 = Dropout(dropout), Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (batch, tokens, width) to the same shape."""
        batch, number, width = tokens.shape
        each = width // self.attention
        qkv = self.qkv(self.norm1(tokens)).view(batch, number, 3, self.attention, each)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (batch, heads, tokens, width / heads)
        # Written out: torch's own kernel has no deterministic gradient on a GPU.
        weights = torch.softmax(q @ k.mT / each**0.5, dim=-1)
        tokens = tokens + self.dropout1(self.mixed((weights @ v).transpose(1, 2).flatten(2)))
        out: Tensor = tokens + self.dropout2(self.mlp(self.norm2(tokens)))
        return out
