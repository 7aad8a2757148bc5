"""Random numbers that a device makes for itself: Philox 4x64-10 in torch's integer arithmetic.

A counter-based generator (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", SC11):
the numbers of block n are a function of n and a key, so any of them can be had, in any order, by
all lanes of a GPU at once. The integers, and the uniform numbers made of them, are those of
`numpy.random.Philox` to the last bit.
"""

import torch
from torch import Tensor

_ROUNDS = 10
_MULTIPLIERS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
_WEYL = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)  # what each round adds to the key
_LOW = 0xFFFFFFFF

PER_BLOCK = 8  # 32-bit integers

Upper = tuple[int, int]  # two unsigned 64-bit integers


def blocks(keys: Tensor, numbers: Tensor, upper: Upper) -> Tensor:
    """Return blocks of random bits, four 64-bit integers each: (seeds, …, 4), int64.

    Those of `numpy.random.Philox(key=key, counter=[0, 0, *upper])`, whose first block has number 1,
    as `random_raw` gives them.

    Args:
        keys: (seeds, 2), the bits of unsigned 64-bit integers.
        numbers: of the blocks, (seeds or 1, …), int64.
        upper: the counter's two upper words: another sequence for each.
    """
    keys = keys.view(-1, 2, *[1] * (numbers.dim() - 1))
    key = [keys[:, 0], keys[:, 1]]
    zero = torch.zeros_like(numbers + key[0])  # (seeds, …)
    a, b, c, d = zero + numbers, zero, zero + _signed(upper[0]), zero + _signed(upper[1])
    for _ in range(_ROUNDS):
        a_high, a_low = _product(a, _MULTIPLIERS[0])
        c_high, c_low = _product(c, _MULTIPLIERS[1])
        a, b, c, d = c_high ^ b ^ key[0], c_low, a_high ^ d ^ key[1], a_low
        key = [part + _signed(weyl) for part, weyl in zip(key, _WEYL, strict=True)]
    return torch.stack([a, b, c, d], dim=-1)


def words(keys: Tensor, numbers: Tensor, upper: Upper) -> Tensor:
    """Return the same bits as 32-bit integers, in NumPy's order: (seeds, …, 8), int64."""
    bits = blocks(keys, numbers, upper)
    return torch.stack([bits & _LOW, (bits >> 32) & _LOW], dim=-1).flatten(-2)


def uniform(keys: Tensor, numbers: Tensor, upper: Upper) -> Tensor:
    """Return U[0, 1) of 24 bits each, as `Generator.random(dtype=float32)`: (seeds, …, 8)."""
    return (words(keys, numbers, upper) >> 8).float() * 2.0**-24


def normal(keys: Tensor, numbers: Tensor, upper: Upper) -> Tensor:
    """Return N(0, 1) by the transform of Box & Muller 1958, not NumPy's: (seeds, …, 8), float32."""
    drawn = words(keys, numbers, upper)
    # Half a step off 0 and, in float32, up to 1: tails to 6.7 σ, and no logarithm of 0.
    radius = ((drawn[..., ::2] + 0.5) * 2.0**-32).log().mul(-2).sqrt()
    angle = (drawn[..., 1::2] >> 8).float() * (2 * torch.pi * 2.0**-24)
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=-1).flatten(-2)


def _product(x: Tensor, factor: int) -> tuple[Tensor, Tensor]:
    """Return the high and low 64 bits of the unsigned product."""
    low, high = factor & _LOW, factor >> 32
    x_low, x_high = x & _LOW, (x >> 32) & _LOW
    middle = x_high * low + (((x_low * low) >> 32) & _LOW)
    other = x_low * high + (middle & _LOW)
    upper = x_high * high + ((middle >> 32) & _LOW) + ((other >> 32) & _LOW)
    return upper, x * _signed(factor)


def _signed(value: int) -> int:
    """Return the signed integer of the same 64 bits."""
    return (value + 2**63) % 2**64 - 2**63
