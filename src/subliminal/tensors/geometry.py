"""Inner products and projections of flat gradients, one row per seed."""

import torch
from torch import Tensor


def widest(device: torch.device) -> torch.dtype:
    """Return the widest float type of a device: float64, but float32 on MPS, which has no other."""
    return torch.float32 if device.type == "mps" else torch.float64


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Return ⟨a, b⟩ per seed: (seeds, P), (seeds, P) -> (seeds,).

    Products and sum are rounded to the inputs' precision. The sum is a tree, not a running
    total: its error grows with log P, not P, which keeps the digits of a cosine near 0.005, a sum
    of cancelling terms.
    """
    return (a * b).sum(dim=-1)


def norm(a: Tensor) -> Tensor:
    """Return ‖a‖ per seed: (seeds, P) -> (seeds,)."""
    return dot(a, a).sqrt()


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """Return cos(a, b) per seed, zero where one of the two is zero: -> (seeds,)."""
    lengths = norm(a) * norm(b)
    return torch.where(lengths > 0, dot(a, b) / lengths, 0.0)


def component(a: Tensor, along: Tensor, sign: str) -> Tensor:
    """Return the component of `a` along `along`, where it has the sign that is asked for.

    ⟨a, b⟩ / ‖b‖² · b with b = `along`, per seed; zero where ⟨a, b⟩ has another sign, or b = 0.

    Args:
        a: (seeds, P).
        along: (seeds, P).
        sign: positive | negative | both.
    """
    square, product = dot(along, along), dot(a, along)
    if sign == "positive":
        product = product.clamp(min=0)
    elif sign == "negative":
        product = product.clamp(max=0)
    share = torch.where(square > 0, product / square, 0.0)
    return share.to(a.dtype)[:, None] * along
