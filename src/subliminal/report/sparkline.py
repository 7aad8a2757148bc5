"""Curves in a table's cell on a terminal."""

from collections.abc import Sequence
from math import isfinite

BARS = "▁▂▃▄▅▆▇█"


def sparkline(
    values: Sequence[float],
    *,
    bounds: tuple[float, float] | None = None,
    width: int | None = None,
) -> str:
    """Draw values as bars; one that is not finite is a blank.

    Args:
        values: the curve.
        bounds: values of the lowest and the highest bar; None: the least and the largest value.
        width: most bars, each the mean of its share of the values; None: one bar per value.
    """
    n, width = len(values), min(width or len(values), len(values))
    shares = (values[n * i // width : n * (i + 1) // width] for i in range(width))
    means = [sum(share) / len(share) for share in shares]
    finite = [mean for mean in means if isfinite(mean)]
    low, high = bounds or (min(finite, default=0.0), max(finite, default=0.0))
    return "".join(_bar(mean, low, high) for mean in means)


def _bar(value: float, low: float, high: float) -> str:
    if not isfinite(value):
        return " "
    top = len(BARS) - 1
    return BARS[max(0, min(top, round((value - low) / ((high - low) or 1.0) * top)))]
