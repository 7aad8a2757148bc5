"""Curves in a table's cell on a terminal."""

from collections.abc import Sequence
from itertools import pairwise
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
    width = min(width or len(values), len(values))
    edges = [len(values) * i // width for i in range(width + 1)] if width else []
    means = [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]
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
