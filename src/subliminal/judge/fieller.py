"""Ratios of means over paired seeds, with Fieller's interval.

Source: Fieller 1954, *Some problems in interval estimation*, J. R. Statist. Soc. B 16, 175-185.
"""

from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import stats

LEVEL, POWER = 0.95, 0.95

Array: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A statistic over seeds, with its 95% confidence interval."""

    value: float
    low: float
    high: float

    def format(self, digits: int = 2) -> str:
        """Return `value [low, high]`."""
        return f"{self.value:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"


UNBOUNDED = Interval(float("nan"), float("-inf"), float("inf"))


def ratio(above: Array, below: Array) -> Interval:
    """Return mean(above) / mean(below) with Fieller's interval.

    It is the set of all ρ that a paired t test of above − ρ · below does not reject, so it has the
    coverage of that test. It is unbounded where the test cannot tell mean(below) from 0.

    Args:
        above: one value of each seed, (seeds,).
        below: the same, paired.
    """
    seeds = len(above)
    if seeds < 2:
        return UNBOUNDED
    spread = np.cov(above, below) * (_quantile(seeds, LEVEL) ** 2 / seeds)
    top, bottom = float(above.mean()), float(below.mean())
    # The test keeps ρ where (top − ρ bottom)² ≤ t² var(above − ρ below) / n, a quadratic in ρ.
    a = bottom**2 - spread[1, 1]
    b = top * bottom - spread[0, 1]
    c = top**2 - spread[0, 0]
    if not a > 0:
        return UNBOUNDED
    half = float(np.sqrt(max(b * b - a * c, 0.0)))
    return Interval(top / bottom, (b - half) / a, (b + half) / a)


def mean(values: Array) -> Interval:
    """Return the mean over seeds with Student's interval."""
    if len(values) < 2:
        return UNBOUNDED
    middle, seeds = float(values.mean()), len(values)
    half = _quantile(seeds, LEVEL) * float(values.std(ddof=1)) / seeds**0.5
    return Interval(middle, middle - half, middle + half)


def resolution(below: Array, null: Array) -> float:
    """Return the smallest ratio that so many seeds tell from 0 with 95% power.

    Only undefended and null students tell it, so that no defence chooses its own: under a ratio of
    0 a defended student differs from its null as two null students do.

    Args:
        below: the denominator, one value of each seed, (seeds,).
        null: what the null students score, (seeds,).
    """
    seeds = len(null)
    if seeds < 2 or not below.mean() > 0:
        return float("inf")
    reach = _quantile(seeds, LEVEL) + _quantile(seeds, 2 * POWER - 1)
    return float(reach * null.std(ddof=1) * (2 / seeds) ** 0.5 / below.mean())


@cache
def _quantile(seeds: int, level: float) -> float:
    """Return the t quantile of a two-sided interval of that level."""
    return float(stats.t.ppf((1 + level) / 2, seeds - 1))
