"""Curves in a table's cell on a terminal."""

from collections.abc import Sequence
from math import isfinite

BARS = "▁▂▃▄▅▆▇█"


def sparkline(
    values: Sequence[float],
    *,
    low: float | None = None,
    high: float | None = None,
    width: int | None = None,
) -> str:
    """Draw values as bars; a value below `low` is `_`, one that is not finite is a blank.

    Args:
        values: the curve.
        low: value of the lowest bar; None: the least value.
        high: value of the highest bar; None: the largest value.
        width: most bars, each the mean of its share of the values; None: one bar per value.
    """
    n, width = len(values), min(width or len(values), len(values))
    shares = (values[n * i // width : n * (i + 1) // width] for i in range(width))
    means = [sum(share) / len(share) for share in shares]
    finite = [mean for mean in means if isfinite(mean)]
    low = min(finite, default=0.0) if low is None else low
    high = max(finite, default=0.0) if high is None else high
    return "".join(_bar(mean, low, high) for mean in means)


def _bar(value: float, low: float, high: float) -> str:
    if not isfinite(value):
        return " "
    if value < low:
        return "_"
    top = len(BARS) - 1
    return BARS[min(top, round((value - low) / ((high - low) or 1.0) * top))]
