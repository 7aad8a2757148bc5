"""Statistics over seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 9999
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean over n seeds with its 95% confidence interval (None for n = 1)."""

    mean: float
    low: float | None
    high: float | None
    n: int

    def __str__(self) -> str:
        """Return `mean [low, high]`."""
        if self.low is None or self.high is None:
            return f"{self.mean:.4f}"
        return f"{self.mean:.4f} [{self.low:.4f}, {self.high:.4f}]"


def mean_ci(values: Sequence[float]) -> Estimate:
    """Return mean and BCa bootstrap 95% interval (Efron 1987) over seeds.

    The resampling is seeded: the same values give the same interval.
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
