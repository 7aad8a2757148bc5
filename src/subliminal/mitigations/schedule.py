"""Schedules of a mitigation's strength over training time."""

import math

SHAPES = (
    *("linear_decay", "critical_period", "constant"),
    *("cosine", "rising", "falling", "end_anchor"),
)


def weight(shape: str, time: float, *, epochs: int, start: float, peak: float) -> float:
    """Return the weight λ(t) at time t in [0, 1] of a training of `epochs` epochs.

    With c = 1 / epochs the end of the first epoch (the critical period):

    - in the first epoch `linear_decay` and `critical_period` go linearly from `start` (at t = 0)
      to `peak` (at t = c); with start = peak they are flat;
    - then `linear_decay` goes linearly to 0 at t = 1, and `critical_period` is 0;
    - `constant` is `peak` throughout, `cosine` is peak · (1 + cos πt) / 2;
    - `rising` is peak · t, `falling` peak · (1 − t);
    - `end_anchor` is `peak` in the last epoch and 0 before.

    In the names of Yanagisawa et al. 2025 (ResponsibleFM workshop, NeurIPS 2025) `linear_decay` is
    the liminal schedule and `critical_period` the anchor; the others have their names.

    Source: Kitkana & Arora 2026 (arXiv 2604.25779), liminal training; Yanagisawa et al. 2025.
    """
    critical = 1 / epochs
    if shape == "constant":
        return peak
    if shape == "cosine":
        return peak * (1 + math.cos(math.pi * time)) / 2
    if shape == "rising":
        return peak * time
    if shape == "falling":
        return peak * (1 - time)
    if shape == "end_anchor":
        # Not 1 − 1/epochs: this rounds as step / steps does, so the epoch starts on its first step.
        return peak if time >= (epochs - 1) / epochs else 0.0
    if time < critical:
        return start + (peak - start) * time / critical
    if shape == "critical_period":
        return 0.0
    return peak * (1 - time) / (1 - critical)
