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
