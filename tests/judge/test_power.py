"""The power of a few seeds, against closed forms and a Monte Carlo of the judge's own test."""

import numpy as np
import pytest
from scipy import optimize, stats

from subliminal.judge.power import detectable, smallest_effect
from subliminal.report.statistics import paired_p


def by_the_t_test(seeds: int) -> float:
    """Return the effect that a paired t-test finds with 80%: of the noncentral t distribution."""
    free, bound = seeds - 1, stats.t.ppf(0.975, seeds - 1)

    def power(effect: float) -> float:
        return float(stats.nct.sf(bound, free, effect * np.sqrt(seeds)))  # the other tail is none

    return float(optimize.brentq(lambda effect: power(effect) - 0.8, 0.3, 1.5))


@pytest.mark.parametrize("seeds", [10, 20])
def test_it_is_nearly_that_of_the_t_test(seeds: int) -> None:
    assert smallest_effect(seeds) == pytest.approx(by_the_t_test(seeds), rel=0.06)


def test_six_seeds_must_all_have_one_sign() -> None:
    """Of 64 flips two have p = 1/32, all others p > 0.05: the power is Φ(d)⁶ + Φ(−d)⁶."""

    def power(d: float) -> float:
        return float(stats.norm.cdf(d) ** 6 + stats.norm.cdf(-d) ** 6)

    expected = optimize.brentq(lambda d: power(d) - 0.8, 0.1, 5)
    assert smallest_effect(6) == pytest.approx(expected, rel=0.04)
    assert smallest_effect(5) is None


def test_the_judges_test_finds_it_in_four_of_five_repetitions() -> None:
    effect = detectable(np.array([0.3, 0.5, 0.4, 0.6, 0.2, 0.35, 0.45, 0.55, 0.25, 0.4]))
    spread = 0.1290994
    assert effect is not None
    generator = np.random.default_rng(7)
    shown = [paired_p(generator.normal(effect, spread, 10).tolist()) < 0.05 for _ in range(200)]
    assert np.mean(shown) == pytest.approx(0.8, abs=0.09)


def test_where_all_seeds_differ_alike_nothing_is_said() -> None:
    assert detectable(np.full(10, 0.25)) is None
    assert detectable(np.array([0.1])) is None
