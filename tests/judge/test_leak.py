"""The judge's statistics, against closed forms and a second implementation of the bootstrap."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from subliminal.judge.leak import (
    Evidence,
    Verdict,
    leak,
    mean,
    overall_verdict,
    price,
    setting_verdict,
)
from subliminal.report.statistics import mean_ci

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
    ours, theirs = mean(UNDEFENDED), mean_ci(UNDEFENDED.tolist())
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
    assert price(np.array([1.0, 3.0]), np.array([1.0, 1.0])).value == 2


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
    assert setting_verdict(shown, shown.p if p is None else p)[0] == expected


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
    assert overall_verdict(verdicts) == expected
