"""Schedules of a mitigation's strength over training time."""

SHAPES = ("linear_decay", "critical_period", "constant")


def weight(shape: str, time: float, *, epochs: int, start: float, peak: float) -> float:
    """Return the weight λ(t) at time t in [0, 1] of a training of `epochs` epochs.

    With c = 1 / epochs the end of the first epoch (the critical period):

    - first epoch, every shape but `constant`: λ goes linearly from `start` (at t = 0) to `peak`
      (at t = c); with start = peak it is flat;
    - then `linear_decay` goes linearly to 0 at t = 1, and `critical_period` is 0;
    - `constant` is `peak` throughout.

    Source: Kitkana & Arora 2026 (arXiv 2604.25779), liminal training; Yanagisawa et al. 2025.
    """
    if shape == "constant":
        return peak
    critical = 1 / epochs
    if time < critical:
        return start + (peak - start) * time / critical
    if shape == "critical_period":
        return 0.0
    return peak * (1 - time) / (1 - critical)
