"""Power of the judge's test: the smallest difference that a number of seeds can show."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

POWER, LEVEL = 0.80, 0.05
DRAWS = 2000  # simulated experiments
_MOST_EXACT = 10  # pairs up to which all sign flips are taken; else 2**10 random ones


def detectable(differences: NDArray[np.float64]) -> float | None:
    """Return the smallest mean difference that as many paired seeds can show.

    It is shown if a two-sided sign-flip test has p < 0.05 in 80% of repetitions, for normal
    differences with this standard deviation. With several settings Holm's adjustment needs more.

    Args:
        differences: defended less undefended, (seeds,).

    Returns:
        The difference in its own unit; None with too few seeds, or where all differences are equal.
    """
    spread = float(np.std(differences, ddof=1)) if len(differences) > 1 else 0.0
    effect = smallest_effect(len(differences)) if spread > 0 else None
    return None if effect is None else effect * spread


@cache
def smallest_effect(seeds: int) -> float | None:
    """Return `detectable` in standard deviations of the differences, by a seeded simulation.

    None with so few seeds that no result has p < 0.05.
    """
    if 2 / 2**seeds >= LEVEL:
        return None
    generator = np.random.default_rng(0)
    noise = generator.normal(size=(DRAWS, seeds))
    flips = _flips(seeds, generator)
    low, high = 0.0, 8.0
    for _ in range(16):  # the power grows with the effect
        middle = (low + high) / 2
        low, high = (low, middle) if power(noise + middle, flips) >= POWER else (middle, high)
    return high


def power(samples: NDArray[np.float64], flips: NDArray[np.float64]) -> float:
    """Return the share of samples (draws, seeds) with p < 0.05 under sign flips (k, seeds)."""
    sums = np.abs(samples @ flips.T)  # (draws, k)
    as_large = sums >= np.abs(samples.sum(axis=1, keepdims=True)) * (1 - 1e-9)
    return float((as_large.mean(axis=1) < LEVEL).mean())


def _flips(seeds: int, generator: np.random.Generator) -> NDArray[np.float64]:
    if seeds <= _MOST_EXACT:
        minus = np.arange(2**seeds)[:, None] >> np.arange(seeds) & 1
    else:
        minus = generator.integers(2, size=(2**_MOST_EXACT, seeds))
        minus[0] = 0
    return np.where(minus == 1, -1.0, 1.0).astype(np.float64)
