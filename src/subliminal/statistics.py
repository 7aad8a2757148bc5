"""Statistics over seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 9999
BAND_RESAMPLES = 1999  # of a curve: enough for the eye
CONFIDENCE = 0.95
EXACT_PAIRS = 13  # up to here the permutation test takes all sign flips

_NORMAL = NormalDist()


@dataclass(frozen=True)
class Estimate:
    """A mean over n seeds with its 95% confidence interval (None for n = 1)."""

    mean: float
    low: float | None
    high: float | None
    n: int

    def format(self, digits: int = 4, *, sign: bool = False) -> str:
        """Return `mean [low, high]`, with a leading + or - when `sign`."""
        spec = f"{'+' if sign else ''}.{digits}f"
        if self.low is None or self.high is None:
            return f"{self.mean:{spec}}"
        return f"{self.mean:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"


def mean_ci(values: Sequence[float]) -> Estimate:
    """Return mean and BCa bootstrap 95% interval (Efron 1987) over seeds.

    The resampling is seeded: the same values give the same interval. For a paired comparison,
    pass the differences.
    """
    sample = np.asarray(values, dtype=np.float64)
    n, mean = len(sample), float(sample.mean())
    if n < 2:
        return Estimate(mean, None, None, n)
    if np.ptp(sample) == 0:  # the bootstrap of a constant has no width, and BCa no value
        return Estimate(mean, mean, mean, n)
    means = np.sort(_resampling(n) @ sample)
    # Bias: where the mean lies among the resampled means, ties counted half.
    rounding = 1e-12 * np.abs(sample).max()
    below = np.searchsorted(means, [mean - rounding, mean + rounding]).sum() / (2 * len(means))
    if not 0 < below < 1:  # cannot happen for a mean but by rounding; BCa has no value then
        return Estimate(mean, float(means[0]), float(means[-1]), n)
    bias = _NORMAL.inv_cdf(below)
    # Acceleration, from the jackknife: leaving one out moves the mean by (mean - x) / (n - 1).
    moved = sample - mean
    acceleration = (moved**3).sum() / (6 * (moved**2).sum() ** 1.5)
    levels = []
    for tail in ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2):
        shifted = bias + _NORMAL.inv_cdf(tail)
        levels.append(_NORMAL.cdf(bias + shifted / (1 - acceleration * shifted)))
    low, high = np.quantile(means, levels)
    return Estimate(mean, float(low), float(high), n)


@lru_cache(maxsize=8)
def _resampling(n: int) -> NDArray[np.float64]:
    """Return how much each of n values weighs in each bootstrap resample: (RESAMPLES, n)."""
    drawn = np.random.default_rng(0).integers(n, size=(RESAMPLES, n))
    counts = np.zeros((RESAMPLES, n))
    np.add.at(counts, (np.arange(RESAMPLES)[:, None], drawn), 1.0)
    return counts / n


def prediction_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95% interval for one more seed's value, if seeds are normal.

    mean ± t(n − 1) · SD · √(1 + 1/n): does a single published number lie in the spread of ours?
    """
    from scipy.special import stdtrit  # slow to import, and only few reports need it

    sample = np.asarray(values, dtype=np.float64)
    n = len(sample)
    half = stdtrit(n - 1, (1 + CONFIDENCE) / 2) * sample.std(ddof=1) * np.sqrt(1 + 1 / n)
    return float(sample.mean() - half), float(sample.mean() + half)


def rank_correlation(
    x: Sequence[Sequence[float]], y: Sequence[Sequence[float]]
) -> tuple[float, float, float]:
    """Return Spearman's ρ of the groups' means, with a 95% percentile bootstrap interval.

    Groups (conditions) are resampled, and the members (seeds) of each, which x and y share: the
    interval covers which conditions were chosen, and which seeds.

    Args:
        x: of each group, its members' values.
        y: the same members' other values.

    Returns:
        ρ, low, high; NaN where all means are the same.
    """
    groups = [np.stack([a, b]) for a, b in zip(x, y, strict=True)]  # each (2, members)
    means = np.array([group.mean(axis=1) for group in groups])  # (groups, 2)
    rho = _spearman(means)
    if np.isnan(rho):
        return rho, rho, rho
    generator = np.random.default_rng(0)
    resampled = []
    for group in groups:  # (resamples, 2) means of resampled members, of each group
        members = generator.integers(group.shape[1], size=(BAND_RESAMPLES, group.shape[1]))
        resampled.append(group[:, members].mean(axis=2).T)
    of_group = np.stack(resampled, axis=1)  # (resamples, groups, 2)
    chosen = generator.integers(len(groups), size=of_group.shape[:2])
    taken = np.take_along_axis(of_group, chosen[:, :, None], axis=1)
    rhos = np.array([_spearman(sample) for sample in taken])
    low, high = np.nanquantile(rhos, ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
    return rho, float(low), float(high)


def _spearman(pairs: NDArray[np.float64]) -> float:
    """Return the correlation of the two columns' ranks (n, 2), ties at their mean rank."""
    ranks = []
    for column in pairs.T:
        ordered = np.sort(column)
        first = np.searchsorted(ordered, column, side="left")
        ranks.append((first + np.searchsorted(ordered, column, side="right") - 1) / 2)
    deviations = np.stack(ranks) - (len(pairs) - 1) / 2  # the mean rank
    lengths = np.sqrt((deviations**2).sum(axis=1))
    return float(deviations[0] @ deviations[1] / lengths.prod()) if lengths.all() else float("nan")


def count(seeds: int) -> str:
    """Return `n = 20 seeds`."""
    return f"n = {seeds} seed{'' if seeds == 1 else 's'}"


def mean_band(
    values: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return mean, low and high of the pointwise percentile bootstrap 95% band over seeds.

    (seeds, points) -> three times (points,). Whole seeds are resampled.
    """
    means = (_resampling(len(values))[:BAND_RESAMPLES] @ values).T  # (points, resamples)
    means = np.sort(np.ascontiguousarray(means), axis=1)
    low, high = np.quantile(means, ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2), axis=1)
    return values.mean(axis=0), low, high


def paired_p(differences: Sequence[float]) -> float:
    """Return the two-sided p of a sign-flip permutation test that paired differences have mean 0.

    Exact up to 13 pairs, 9,999 seeded flips beyond.
    """
    sample = np.asarray(differences, dtype=np.float64)
    sums = _flips(len(sample)) @ sample
    observed = sample.sum()
    exact = len(sample) <= EXACT_PAIRS
    # Sums that differ by rounding alone are ties.
    slack = 1e-12 * np.abs(sample).sum()
    more = int((sums >= observed - slack).sum()), int((sums <= observed + slack).sum())
    seen, total = (0, len(sums)) if exact else (1, len(sums) + 1)
    return min(1.0, 2 * (min(more) + seen) / total)


@lru_cache(maxsize=8)
def _flips(n: int) -> NDArray[np.float64]:
    """Return the signs of n pairs, (flips, n): all of them, or RESAMPLES drawn ones."""
    if n <= EXACT_PAIRS:
        return np.array(list(product((1.0, -1.0), repeat=n)))
    return np.random.default_rng(0).choice((1.0, -1.0), size=(RESAMPLES, n))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values adjusted for their number by Holm's step-down procedure (1979)."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted


def effect_size(differences: Sequence[float]) -> float | None:
    """Return d_z, the mean of paired differences over their standard deviation (Cohen 1988).

    None where it is not defined: for one pair, or where all differences are the same.
    """
    sample = np.asarray(differences, dtype=np.float64)
    if len(sample) < 2 or np.ptp(sample) == 0:
        return None
    return float(sample.mean() / sample.std(ddof=1))


def format_effect(differences: Sequence[float]) -> str:
    """Return d_z as a table shows it."""
    effect = effect_size(differences)
    return "" if effect is None else f"{effect:.1f}"
