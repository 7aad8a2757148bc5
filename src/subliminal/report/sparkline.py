"""Curves in a table's cell on a terminal."""

from collections.abc import Sequence

import numpy as np

BARS = "▁▂▃▄▅▆▇█"


def sparkline(
    values: Sequence[float], *, bounds: tuple[float, float] | None = None, width: int = 1000
) -> str:
    """Draw values as at most `width` bars, means of neighbours; one that is not finite is a blank.

    `bounds` are the values of the lowest and the highest bar; None: the least and the largest.
    """
    if not len(values):
        return ""
    means = np.array([part.mean() for part in np.array_split(values, min(width, len(values)))])
    finite = means[np.isfinite(means)]
    low, high = bounds or (finite.min(initial=np.inf), finite.max(initial=-np.inf))
    heights = np.round((means - low) / ((high - low) or 1.0) * (len(BARS) - 1))
    return "".join(BARS[int(h)] if np.isfinite(h) else " " for h in heights.clip(0, len(BARS) - 1))
