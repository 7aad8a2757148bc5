"""Statistics over seeds.

Functions import `scipy.stats` when they are called: its import takes half a second.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import compress

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 9999  # up to 13 pairs all 2^n sign flips are fewer, and taken instead
BAND_RESAMPLES = 1999  # for each point of a curve
CONFIDENCE = 0.95
_AT_ONCE = 200_000  # numbers to resample at once: they fit into a core's cache

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A mean over n seeds with its 95% confidence interval (None for n = 1)."""

    mean: float
    low: float | None
    high: float | None
    n: int

    @property
    def error_bar(self) -> tuple[float, float]:
        """Return the distances of both ends from the mean, 0 without an interval."""
        if self.low is None or self.high is None:
            return 0.0, 0.0
        return self.mean - self.low, self.high - self.mean

    def format(self, digits: int = 4, *, sign: bool = False) -> str:
        """Return `mean [low, high]`, with a leading + or - when `sign`."""
        spec = f"{'+' if sign else ''}z.{digits}f"
        if self.low is None or self.high is None:
            return f"{self.mean:{spec}}"
        return f"{self.mean:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"


def mean_ci(values: Iterable[float]) -> Estimate:
    """Return mean and BCa bootstrap 95% interval (Efron 1987) over seeds.

    The resampling is seeded: the same values give the same interval. For a paired comparison,
    pass the differences.
    """
    return _mean_ci(tuple(values))


@lru_cache(maxsize=4096)  # a report needs most of its intervals more than once
def _mean_ci(values: tuple[float, ...]) -> Estimate:
    return mean_cis([values])[0]


def mean_cis(samples: Sequence[Sequence[float]]) -> list[Estimate]:
    """Return `mean_ci` of each sample; samples of equal size are resampled together, for speed."""
    arrays = [np.asarray(sample, dtype=np.float64) for sample in samples]
    estimates = []
    varied: dict[int, list[int]] = {}  # size to places; a constant's bootstrap has no width
    for place, values in enumerate(arrays):
        mean, n = float(values.mean()), len(values)
        estimates.append(Estimate(mean, mean if n > 1 else None, mean if n > 1 else None, n))
        if np.ptp(values) > 0:
            varied.setdefault(n, []).append(place)
    for places in varied.values():
        same_size = np.stack([arrays[place] for place in places])
        means, widths = same_size.mean(axis=1, keepdims=True), np.ptp(same_size, 1, keepdims=True)
        shapes = (same_size - means) / widths
        ends = np.stack(_bootstrap((shapes,), _mean, RESAMPLES, "BCa"), axis=1)
        for place, (low, high) in zip(places, (means + widths * ends).tolist(), strict=True):
            estimates[place] = replace(estimates[place], low=low, high=high)
    return estimates


def _bootstrap(
    samples: tuple[Floats, ...], statistic: Callable[..., Floats], resamples: int, method: str
) -> tuple[Floats, Floats]:
    """Return the intervals' ends, (k,) each, of statistics of samples (k, n), resampled alike."""
    from scipy.stats import bootstrap

    interval = bootstrap(
        samples,
        statistic,
        paired=len(samples) > 1,
        n_resamples=resamples,
        batch=max(1, _AT_ONCE // samples[0].size),
        axis=-1,
        confidence_level=CONFIDENCE,
        method=method,
        rng=np.random.default_rng(0),
    ).confidence_interval
    return interval.low, interval.high


def _mean(sample: Floats, axis: int) -> Floats:
    """Return the mean without rounding errors: BCa counts ties."""
    means: Floats = sample.mean(axis=axis).round(12)
    return means


def prediction_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95% interval for one more seed's value, if seeds are normal.

    mean ± t(n − 1) · SD · √(1 + 1/n)
    """
    from scipy.stats import t

    sample = np.asarray(values, dtype=np.float64)
    n, spread = len(sample), sample.std(ddof=1)
    low, high = t.interval(CONFIDENCE, n - 1, loc=sample.mean(), scale=spread * np.sqrt(1 + 1 / n))
    return float(low), float(high)


def count(seeds: int) -> str:
    """Return `n = 20 seeds`."""
    return f"n = {seeds} seed{'' if seeds == 1 else 's'}"


def mean_band(values: Floats) -> tuple[Floats, Floats, Floats]:
    """Return mean, low and high of the pointwise percentile bootstrap 95% band over seeds.

    (seeds, points) -> three times (points,). Whole seeds are resampled.
    """
    mean = values.mean(axis=0)
    if len(values) < 2:
        return mean, mean, mean
    return mean, *_bootstrap((values.T,), np.mean, BAND_RESAMPLES, "percentile")


def paired_p(differences: Sequence[float]) -> float:
    """Return the two-sided p of a sign-flip permutation test that paired differences have mean 0.

    Exact up to 13 pairs, 9,999 seeded flips beyond.
    """
    return _paired_p(tuple(differences))


@lru_cache(maxsize=4096)  # the tables of a report, and comparisons, need most of them twice
def _paired_p(differences: tuple[float, ...]) -> float:
    from scipy.stats import permutation_test

    sample = np.asarray(differences, dtype=np.float64)
    if len(sample) < 2 or not sample.any():
        return 1.0
    tested = permutation_test(
        (sample / np.abs(sample).sum(),),
        _mean,
        permutation_type="samples",
        n_resamples=RESAMPLES,
        rng=np.random.default_rng(0),
    )
    return float(tested.pvalue)


def datamodel_score(scores: Floats, kept: NDArray[np.bool_], traits: Floats) -> Estimate:
    """Return the linear datamodelling score of examples' scores, with its bootstrap interval.

    Spearman's ρ, over students, of the trait that each has, `traits` (students,), with the sum of
    the `scores` (examples,) of those that it was taught, `kept` (students, examples): Park et al.
    2023 (arXiv 2303.14186), definition 2.3. The 95% percentile interval resamples students.

    Raises:
        ValueError: there are less than ten students, or they have no differences.
    """
    from scipy.stats import rankdata

    def rho(predicted: Floats, actual: Floats, axis: int = -1) -> Floats:
        # spearmanr takes one pair at a time, a hundred times as slow for the resamples
        ranks = (rankdata(values, axis=axis) for values in (predicted, actual))
        a, b = (of - of.mean(axis=axis, keepdims=True) for of in ranks)
        found: Floats = (a * b).sum(axis) / np.sqrt((a * a).sum(axis) * (b * b).sum(axis))
        return found

    pair = kept @ scores, np.asarray(traits, dtype=np.float64)
    if len(traits) < 10 or not all(np.ptp(each) for each in pair):
        raise ValueError("at least ten students are needed, with different sums and traits")
    low, high = _bootstrap(pair, rho, BAND_RESAMPLES, "percentile")
    return Estimate(float(rho(*pair)), float(low), float(high), len(traits))


def threshold(shares: Floats, effects: Floats) -> tuple[float, float]:
    """Return midpoint and slope of the logistic curve in log share that is closest to `effects`.

    The effect of a share s is 1 / (1 + (midpoint / s)^slope), by least squares: 0 without any, and
    1 the effect of so large a share that more adds nothing. It rises from 0.1 to 0.9 while the
    share grows by a factor of 81^(1/slope).

    Raises:
        ValueError: there are less than three shares, or one is not positive.
    """
    from scipy.optimize import curve_fit
    from scipy.special import expit

    if len(set(shares)) < 3 or min(shares) <= 0:
        raise ValueError("at least three positive shares are needed")
    bounds = (-np.inf, 0), (np.inf, 100)  # a slope of 100 is a step
    (middle, slope), _ = curve_fit(
        lambda x, m, k: expit(k * (x - m)), np.log(shares), effects, (-1, 1), bounds=bounds
    )
    return float(np.exp(middle)), float(slope)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values adjusted for their number by Holm's step-down procedure (1979).

    SciPy lacks it, and statsmodels takes two seconds to import.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p)
    stepped = np.maximum.accumulate(np.arange(len(p), 0, -1) * p[order])
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1)
    return list(map(float, adjusted))


def adjusted_p(samples: Sequence[Sequence[float]]) -> list[float | None]:
    """Return `paired_p` of each sample, adjusted by `holm`; None of n < 2, and with a NaN."""
    tested = [len(sample) > 1 and not np.isnan(sample).any() for sample in samples]
    adjusted = iter(holm([paired_p(sample) for sample in compress(samples, tested)]))
    return [next(adjusted) if one else None for one in tested]


def effect_size(differences: Sequence[float]) -> float | None:
    """Return d_z, the mean of paired differences over their standard deviation (Cohen 1988).

    It is None for one pair, and where all differences are equal.
    """
    sample = np.asarray(differences, dtype=np.float64)
    if len(sample) < 2 or np.ptp(sample) == 0:
        return None
    return float(sample.mean() / sample.std(ddof=1))


def format_effect(differences: Sequence[float]) -> str:
    """Return d_z as a table shows it."""
    effect = effect_size(differences)
    return "" if effect is None else f"{effect:z.1f}"
