"""Fieller's interval against a grid of t tests, and its coverage by simulation."""

import numpy as np
import pytest
from scipy import stats

from subliminal.judge.fieller import UNBOUNDED, mean, ratio, resolution

UNDEFENDED = np.array([0.45, 0.50, 0.38, 0.52, 0.40, 0.47, 0.43, 0.56, 0.35, 0.48])
NOISE = np.array([3, -1, 2, -2, 1, -3, 0, 1, -2, 1]) / 100


def by_grid(above: np.ndarray, below: np.ndarray) -> tuple[float, float]:
    """Return the least and the largest ρ that a paired t test does not reject."""
    grid = np.linspace(-2, 3, 500_001)
    seeds, top, bottom = len(above), above.mean(), below.mean()
    spread = np.cov(above, below)
    variance = (spread[0, 0] - 2 * grid * spread[0, 1] + grid**2 * spread[1, 1]) / seeds
    kept = grid[np.abs(top - grid * bottom) <= stats.t.ppf(0.975, seeds - 1) * np.sqrt(variance)]
    return float(kept.min()), float(kept.max())


@pytest.mark.parametrize("share", [-0.2, 0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("seeds", [3, 6, 10])
def test_it_is_what_t_tests_keep(share: float, seeds: int) -> None:
    below = UNDEFENDED[:seeds]
    above = share * below + NOISE[:seeds]
    found = ratio(above, below)
    assert found.value == pytest.approx(above.mean() / below.mean())
    assert (found.low, found.high) == pytest.approx(by_grid(above, below), abs=2e-5)


def test_its_ends_where_all_is_known_or_nothing() -> None:
    same = ratio(UNDEFENDED, UNDEFENDED)
    assert (same.low, same.value, same.high) == pytest.approx((1, 1, 1))
    none = ratio(UNDEFENDED, UNDEFENDED - UNDEFENDED.mean())
    assert (none.low, none.high) == (-np.inf, np.inf)
    assert ratio(UNDEFENDED[:1], UNDEFENDED[:1]) is UNBOUNDED
    assert ratio(NOISE, 0 * NOISE) is UNBOUNDED  # whose mean has no spread, and is 0
    two = np.array([0.40, 0.41])
    assert ratio(two / 2, two).high == pytest.approx(0.5)
    scaled, shifted = ratio(7 * NOISE, 7 * UNDEFENDED), ratio(NOISE, UNDEFENDED)
    assert scaled.high == pytest.approx(shifted.high)


@pytest.mark.parametrize("seeds", [2, 10])
def test_the_interval_of_a_mean_is_students(seeds: int) -> None:
    found = mean(UNDEFENDED[:seeds])
    test = stats.ttest_1samp(UNDEFENDED[:seeds], 0).confidence_interval(0.95)
    expected = UNDEFENDED[:seeds].mean(), test.low, test.high
    assert (found.value, found.low, found.high) == pytest.approx(expected)
    assert mean(UNDEFENDED[:1]) is UNBOUNDED


@pytest.mark.parametrize("seeds", [6, 10, 30])
@pytest.mark.parametrize("leak", [0.0, 0.25, 1.0])
def test_it_covers_as_often_as_it_says(seeds: int, leak: float) -> None:
    """2000 draws: the share has a standard deviation of 0.005."""
    generator = np.random.default_rng(seeds)
    below = generator.normal(0.44, 0.09, (2000, seeds))
    above = leak * below + generator.normal(0, 0.03, below.shape)
    found = [ratio(a, b) for a, b in zip(above, below, strict=True)]
    covered = np.mean([one.low <= leak <= one.high for one in found])
    assert covered == pytest.approx(0.95, abs=0.016)


@pytest.mark.parametrize("seeds", [10, 30])
def test_what_is_shown_is_told_from_nothing_nearly_always(seeds: int) -> None:
    generator = np.random.default_rng(seeds)
    null = generator.normal(0.1, 0.02, (2000, seeds))
    other, below = generator.normal(0.1, 0.02, null.shape), np.full(seeds, 0.4)
    least = float(np.sqrt(np.mean([resolution(below, row) ** 2 for row in null])))
    told = [ratio(least * below + a - b, below).low > 0 for a, b in zip(null, other, strict=True)]
    assert np.mean(told) == pytest.approx(0.95, abs=0.03)
    assert resolution(-below, null[0]) == resolution(0 * below, null[0]) == np.inf


def test_what_two_seeds_show_and_one_does_not() -> None:
    below, null = np.array([0.4, 0.6]), np.array([0.1, 0.3])
    reach = stats.t.ppf([0.975, 0.95], 1).sum()  # of the interval, and of 95% power
    assert resolution(below, null) == pytest.approx(reach * null.std(ddof=1) / 0.5)
    assert resolution(below[:1], null[:1]) == np.inf
