"""The judge's statistics, against closed forms and a second implementation of the bootstrap."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from subliminal.judge import leak as judge
from subliminal.judge.leak import Evidence, Verdict, leak
from subliminal.report.statistics import mean_ci, paired_p

NULL = np.array([0.10, 0.11, 0.09, 0.10, 0.12, 0.10, 0.09, 0.11, 0.10, 0.10])
UNDEFENDED = np.array([0.55, 0.60, 0.48, 0.62, 0.50, 0.57, 0.53, 0.66, 0.45, 0.58])
NOISE = np.array([1, -1, 2, -2, 1, -1, 0, 1, -2, 1]) / 1000


def evidence(
    defended: np.ndarray, loss: float = 0.0, undefended: np.ndarray = UNDEFENDED
) -> Evidence:
    return Evidence(defended, undefended, NULL, 2.3 + loss + NOISE, 2.3 + 2 * NOISE)


def test_nothing_leaks_and_everything_leaks() -> None:
    assert leak(NULL, UNDEFENDED, NULL).value == 0
    whole = leak(UNDEFENDED, UNDEFENDED, NULL)
    assert (whole.value, whole.low, whole.high) == (1, 1, 1)


@given(st.floats(0.1, 10), st.floats(-3, 3))
@settings(max_examples=10)
def test_the_leak_has_no_unit(scale: float, shift: float) -> None:
    half = (UNDEFENDED + NULL) / 2 + NOISE
    ours = leak(half, UNDEFENDED, NULL)
    theirs = leak(*(scale * values + shift for values in (half, UNDEFENDED, NULL)))
    assert theirs.value == pytest.approx(ours.value, rel=1e-9)
    assert (theirs.low, theirs.high) == pytest.approx((ours.low, ours.high), abs=2e-3)


def test_the_interval_of_a_mean_is_that_of_the_reports() -> None:
    ours, theirs = judge.mean(UNDEFENDED), mean_ci(UNDEFENDED.tolist())
    assert theirs.low is not None
    assert theirs.high is not None
    assert ours.value == pytest.approx(theirs.mean)
    # Other resamples: the ends differ by the bootstrap's own error.
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=2e-3)


def test_a_ratio_is_bootstrapped_by_whole_seeds() -> None:
    """Against resampling by hand, percentile: with these numbers BCa hardly moves it."""
    half = (UNDEFENDED + NULL) / 2 + NOISE
    rows = np.random.default_rng(1).integers(10, size=(20_000, 10))
    d, u, n = half[rows].mean(1), UNDEFENDED[rows].mean(1), NULL[rows].mean(1)
    low, high = np.quantile((d - n) / (u - n), (0.025, 0.975))
    found = leak(half, UNDEFENDED, NULL)
    assert (found.low, found.high) == pytest.approx((low, high), abs=2e-3)


def test_the_price_is_a_ratio_of_means() -> None:
    assert judge.price(np.array([1.0, 3.0]), np.array([1.0, 1.0])).value == 2


HALF = (UNDEFENDED + NULL) / 2


@pytest.mark.parametrize(
    ("shown", "p", "expected"),
    [
        (evidence(NULL + NOISE), None, "blocks"),
        # Pushed away from the trait: not the same as never to have met it.
        (evidence(NULL + NOISE, loss=6.0), None, "reduces"),
        (evidence(HALF), None, "reduces"),
        (evidence(HALF), 0.06, "undecided"),  # adjusted for the number of settings
        (evidence(UNDEFENDED + NOISE), None, "no effect"),
        (evidence(UNDEFENDED + 100 * NOISE), None, "undecided"),
        (evidence(NULL, undefended=NULL + 0.05), 1.0, "void"),  # nothing leaks
    ],
)
def test_the_verdict_in_a_setting(shown: Evidence, p: float | None, expected: Verdict) -> None:
    assert judge.setting_verdict(shown, shown.p if p is None else p)[0] == expected


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["blocks", "blocks", "void"], "blocks"),
        (["blocks", "reduces"], "reduces"),
        (["blocks", "no effect"], "reduces"),
        (["reduces", "no effect", "no effect"], "undecided"),
        (["no effect", "no effect"], "no effect"),
        (["no effect", "undecided"], "undecided"),
        (["void"], "void"),
    ],
)
def test_the_verdict_on_a_defence(verdicts: list[Verdict], expected: Verdict) -> None:
    assert judge.overall_verdict(verdicts) == expected


def by_the_t_test(seeds: int) -> float:
    """Return the effect that a paired t-test finds with 80%: of the noncentral t distribution."""
    free, bound = seeds - 1, stats.t.ppf(0.975, seeds - 1)

    def power(effect: float) -> float:
        return float(stats.nct.sf(bound, free, effect * np.sqrt(seeds)))  # the other tail is none

    return float(optimize.brentq(lambda effect: power(effect) - 0.8, 0.3, 1.5))


@pytest.mark.parametrize("seeds", [10, 20])
def test_it_is_nearly_that_of_the_t_test(seeds: int) -> None:
    assert judge.smallest_effect(seeds) == pytest.approx(by_the_t_test(seeds), rel=0.06)


def test_six_seeds_must_all_have_one_sign() -> None:
    """Of 64 flips two have p = 1/32, all others p > 0.05: the power is Φ(d)⁶ + Φ(−d)⁶."""

    def power(d: float) -> float:
        return float(stats.norm.cdf(d) ** 6 + stats.norm.cdf(-d) ** 6)

    expected = optimize.brentq(lambda d: power(d) - 0.8, 0.1, 5)
    assert judge.smallest_effect(6) == pytest.approx(expected, rel=0.04)
    assert judge.smallest_effect(5) is None


def test_the_judges_test_finds_it_in_four_of_five_repetitions() -> None:
    effect = judge.detectable(np.array([0.3, 0.5, 0.4, 0.6, 0.2, 0.35, 0.45, 0.55, 0.25, 0.4]))
    spread = 0.1290994
    assert effect is not None
    generator = np.random.default_rng(7)
    shown = [paired_p(generator.normal(effect, spread, 10).tolist()) < 0.05 for _ in range(200)]
    assert np.mean(shown) == pytest.approx(0.8, abs=0.09)


def test_where_all_seeds_differ_alike_nothing_is_said() -> None:
    assert judge.detectable(np.full(10, 0.25)) is None
    assert judge.detectable(np.array([0.1])) is None
