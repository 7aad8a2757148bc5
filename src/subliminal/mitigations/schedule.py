"""Schedules of a mitigation's strength over training time."""

import math

SHAPES = ("linear_decay", "critical_period", "constant", "cosine")


def weight(shape: str, time: float, *, epochs: int, start: float, peak: float) -> float:
    """Return the weight λ(t) at time t in [0, 1] of a training of `epochs` epochs.

    With c = 1 / epochs the end of the first epoch (the critical period):

    - in the first epoch `linear_decay` and `critical_period` go linearly from `start` (at t = 0)
      to `peak` (at t = c); with start = peak they are flat;
    - then `linear_decay` goes linearly to 0 at t = 1, and `critical_period` is 0;
    - `constant` is `peak` throughout, `cosine` is peak · (1 + cos πt) / 2.

    `linear_decay` with start < peak is the warm-up form of Yanagisawa et al. 2025.

    Source: Kitkana & Arora 2026 (arXiv 2604.25779), liminal training.
    """
    if shape == "constant":
        return peak
    if shape == "cosine":
        return peak * (1 + math.cos(math.pi * time)) / 2
    critical = 1 / epochs
    if time < critical:
        return start + (peak - start) * time / critical
    if shape == "critical_period":
        return 0.0
    return peak * (1 - time) / (1 - critical)
