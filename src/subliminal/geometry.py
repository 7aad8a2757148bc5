"""Inner products and projections of flat gradients, one row per seed."""

import torch
from torch import Tensor


def widest(device: torch.device) -> torch.dtype:
    """Return the widest float type of a device: float64, but float32 on MPS, which has no other."""
    return torch.float32 if device.type == "mps" else torch.float64


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Return ⟨a, b⟩ per seed: (seeds, P), (seeds, P) -> (seeds,).

    Products are rounded to the inputs' precision and summed in float64: the cosine of trait and
    distillation gradient is near 0.005, a sum of cancelling terms.
    """
    return (a * b).sum(dim=-1, dtype=widest(a.device))


def norm(a: Tensor) -> Tensor:
    """Return ‖a‖ per seed: (seeds, P) -> (seeds,)."""
    return dot(a, a).sqrt()


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """Return cos(a, b) per seed, zero where one of the two is zero: -> (seeds,)."""
    lengths = norm(a) * norm(b)
    return torch.where(lengths > 0, dot(a, b) / lengths, 0.0)


def remove_positive(a: Tensor, along: Tensor) -> Tensor:
    """Return `a` without its component along `along`, where that component is positive.

    a - max(0, ⟨a, b⟩) / ‖b‖² · b with b = `along`, per seed; `a` itself where ⟨a, b⟩ ≤ 0 or b = 0.
    Source: Kitkana & Arora 2026 (arXiv 2604.25779), the projection of the distillation gradient
    on the normal plane of the trait gradient.
    """
    square = dot(along, along)
    share = torch.where(square > 0, dot(a, along).clamp(min=0) / square, 0.0)
    return a - share.to(a.dtype)[:, None] * along
