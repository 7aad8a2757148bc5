"""Statistics over seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 9999
CONFIDENCE = 0.95


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
    from scipy.stats import bootstrap  # 0.5 s to import: only when there is a result to show

    sample = np.asarray(values, dtype=np.float64)
    mean = float(sample.mean())
    if len(sample) < 2:
        return Estimate(mean, None, None, len(sample))
    if np.ptp(sample) == 0:  # the bootstrap of a constant has no width, and BCa no value
        return Estimate(mean, mean, mean, len(sample))
    interval = bootstrap(
        (sample,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="BCa",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Estimate(mean, float(interval.low), float(interval.high), len(sample))


def count(seeds: int) -> str:
    """Return `n = 20 seeds`."""
    return f"n = {seeds} seed{'' if seeds == 1 else 's'}"


def mean_band(
    values: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return mean, low and high of the pointwise percentile bootstrap 95% band over seeds.

    (seeds, points) -> three times (points,). Whole seeds are resampled.
    """
    generator = np.random.default_rng(0)
    seeds = len(values)
    weights = generator.multinomial(seeds, np.full(seeds, 1 / seeds), size=RESAMPLES) / seeds
    tails = (100 * (1 - CONFIDENCE) / 2, 100 * (1 + CONFIDENCE) / 2)
    low, high = np.percentile(weights @ values, tails, axis=0)
    return values.mean(axis=0), low, high


def paired_p(differences: Sequence[float]) -> float:
    """Return the two-sided p of a sign-flip permutation test that paired differences have mean 0.

    Exact up to 13 pairs, 9,999 seeded flips beyond.
    """
    from scipy.stats import permutation_test

    sample = np.asarray(differences, dtype=np.float64)
    test = permutation_test(
        (sample,),
        np.mean,
        permutation_type="samples",
        n_resamples=RESAMPLES,
        rng=np.random.default_rng(0),
    )
    return float(test.pvalue)


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
