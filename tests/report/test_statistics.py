"""Statistics over seeds, each against another way to compute it."""

from itertools import product
from math import fsum

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from subliminal.report.statistics import (
    Estimate,
    adjusted_p,
    count,
    datamodel_score,
    effect_size,
    format_effect,
    holm,
    mean_band,
    mean_ci,
    mean_cis,
    paired_p,
    threshold,
)

# Accuracies on 10,000 digits: what the intervals are made of.
ACCURACIES = st.integers(0, 10_000).map(lambda hits: hits / 10_000)
P_VALUES = st.lists(st.floats(0, 1), max_size=12)


def bounds(values: list[float]) -> tuple[float, float]:
    estimate = mean_ci(values)
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.low, estimate.high


@settings(deadline=None, max_examples=30)
@given(st.lists(ACCURACIES, min_size=2, max_size=20))
def test_mean_is_exact_and_ci_lies_within_the_sample(values: list[float]) -> None:
    estimate = mean_ci(values)
    low, high = bounds(values)
    assert estimate.mean == pytest.approx(fsum(values) / len(values), rel=1e-15)
    assert estimate.n == len(values)
    assert min(values) - 1e-12 <= low <= high <= max(values) + 1e-12


@given(ACCURACIES, st.integers(2, 20))
def test_ci_of_a_constant_has_no_width(value: float, n: int) -> None:
    estimate = mean_ci([value] * n)
    assert (estimate.low, estimate.high) == (estimate.mean, estimate.mean)
    assert estimate.mean == pytest.approx(value)


def test_one_seed_has_neither_interval_nor_band_and_equal_seeds_no_width() -> None:
    assert mean_ci([0.25]) == Estimate(0.25, None, None, 1)
    assert mean_ci([0.25]).error_bar == (0, 0)
    curve = np.array([0.1, 0.2, 0.4])
    for line in (*mean_band(curve[None]), *mean_band(np.tile(curve, (5, 1)))):
        np.testing.assert_allclose(line, curve)


def test_band_is_the_percentile_bootstrap_of_whole_seeds() -> None:
    values = np.random.default_rng(5).normal([0, 5, -2], [1, 2, 0.5], size=(15, 3))
    generator = np.random.default_rng(6)
    drawn = generator.integers(15, size=(20_000, 15))
    direct = np.percentile(values[drawn].mean(axis=1), [2.5, 97.5], axis=0)
    mean, low, high = mean_band(values)
    width = direct[1] - direct[0]
    np.testing.assert_allclose(mean, values.sum(axis=0) / 15)
    assert np.abs((low - direct[0]) / width).max() < 0.06  # of 1,999 resamples
    assert np.abs((high - direct[1]) / width).max() < 0.06


def test_band_resamples_seeds_not_points() -> None:
    curve = np.random.default_rng(7).normal(size=(8, 1))
    _, low, high = mean_band(np.hstack([curve, 2 * curve, -curve]))
    np.testing.assert_allclose(low, [low[0], 2 * low[0], -high[0]])
    np.testing.assert_allclose(high, [high[0], 2 * high[0], -low[0]])


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(-50, 50), min_size=2, max_size=8))
def test_paired_p_counts_all_sign_flips(differences: list[int]) -> None:
    # Whole numbers sum without rounding, so ties are counted exactly here.
    observed = sum(differences)
    sums = np.array(
        [
            sum(s * d for s, d in zip(signs, differences, strict=True))
            for signs in product((1, -1), repeat=len(differences))
        ]
    )
    tail = min(np.mean(sums >= observed), np.mean(sums <= observed))
    assert paired_p(differences) == pytest.approx(min(1.0, 2 * tail))


@given(P_VALUES, st.floats(0.001, 0.5))
def test_holm_rejects_what_the_step_down_test_rejects(p_values: list[float], level: float) -> None:
    rejected = []
    for rank, p in enumerate(sorted(p_values)):
        if (len(p_values) - rank) * p > level:
            break
        rejected.append(p)
    assert sorted(p for p, new in zip(p_values, holm(p_values), strict=True) if new <= level) == (
        rejected
    )


@given(st.lists(ACCURACIES, min_size=3, max_size=20).filter(lambda v: np.ptp(v) > 0.01))
def test_effect_size_is_the_t_statistic_over_root_n(values: list[float]) -> None:
    t = stats.ttest_1samp(values, 0).statistic
    assert effect_size(values) == pytest.approx(float(t) / len(values) ** 0.5)


def test_effect_size_without_spread_is_unknown() -> None:
    assert effect_size([0.5, 0.5]) is None
    assert effect_size([0.5]) is None
    assert effect_size([1.0, 3.0]) == pytest.approx(2**0.5)
    assert format_effect([0.5]) == ""
    assert format_effect([1.0, 2.0, 3.0]) == "2.0"
    assert (count(1), count(2)) == ("n = 1 seed", "n = 2 seeds")


@pytest.mark.parametrize(
    ("estimate", "digits", "sign", "text"),
    [
        (Estimate(0.5, 0.25, 0.75, 3), 2, False, "0.50 [0.25, 0.75]"),
        (Estimate(0.5, -0.25, 0.75, 3), 1, True, "+0.5 [-0.2, +0.8]"),
        (Estimate(-0.125, -0.25, 0.0, 3), 3, True, "-0.125 [-0.250, +0.000]"),
        (Estimate(0.5, None, None, 1), 4, False, "0.5000"),
        (Estimate(0.5, None, None, 1), 0, True, "+0"),
    ],
)
def test_estimate_as_text(estimate: Estimate, digits: int, sign: bool, text: str) -> None:
    assert estimate.format(digits, sign=sign) == text


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [
        ([0.5123, 0.6044, 0.5788, 0.6310, 0.5541, 0.7102], 0.5567833333333333, 0.6574666666666666),
        ([-3.1e-7, 4.2e-6, 1.0e-6, 9.9e-6, -2.0e-7], 4.76e-07, 7.62e-06),
        ([1.0, 2.0, 3.0], 1.0, 3.0),
    ],
)
def test_intervals_are_those_that_were_published(
    values: list[float], low: float, high: float
) -> None:
    # As this project's own BCa gave them, before SciPy's took its place.
    assert bounds(values) == pytest.approx((low, high), rel=1e-9)


@given(st.lists(ACCURACIES, min_size=2, max_size=5), st.sampled_from([0.1, 0.7, 1e-9]))
@settings(deadline=None, max_examples=20)
def test_rounding_does_not_count_against_ties(values: list[float], unit: float) -> None:
    # The sums of few seeds often equal the mean's; in multiples of 0.1 they differ by rounding.
    whole = [round(10 * value) for value in values]
    low, high = bounds([float(v) for v in whole])
    scaled = bounds([unit * v for v in whole])
    assert scaled == pytest.approx((unit * low, unit * high), rel=1e-9, abs=1e-12 * unit)


@settings(deadline=None, max_examples=15)
@given(st.lists(st.lists(ACCURACIES, min_size=1, max_size=6), max_size=8))
def test_samples_together_have_the_intervals_that_each_has_alone(
    samples: list[list[float]],
) -> None:
    together = mean_cis(samples)
    assert len(together) == len(samples)
    for values, estimate in zip(samples, together, strict=True):
        alone = mean_ci(values)
        assert (estimate.mean, estimate.n) == (alone.mean, alone.n)
        assert (estimate.low is None) == (alone.low is None) == (len(values) == 1)
        if estimate.low is not None:
            assert (estimate.low, estimate.high) == pytest.approx((alone.low, alone.high))


def test_band_is_that_which_was_published() -> None:
    curves = [[0.1, 0.3, 0.65], [0.1, 0.35, 0.7], [0.12, 0.2, 0.5], [0.09, 0.31, 0.61]]
    mean, low, high = mean_band(np.array([*curves, [0.1, 0.28, 0.72]]))
    np.testing.assert_allclose(mean, [0.102, 0.288, 0.636])
    np.testing.assert_allclose(low, [0.094, 0.24, 0.562])
    np.testing.assert_allclose(high, [0.112, 0.326, 0.698])


def test_band_of_small_numbers_keeps_its_digits() -> None:
    values = np.random.default_rng(9).normal(size=(6, 4))
    np.testing.assert_allclose(mean_band(1e-15 * values), 1e-15 * np.array(mean_band(values)))


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([0.3] * 13, 2 / 2**13),  # the most pairs whose flips are all taken
        ([1.0] * 20, 2 / 10_000),  # never 0
        ([-0.2, -0.7], 0.5),
        ([0.0] * 5, 1.0),
        ([0.3], 1.0),
        ([0.1, -0.1, 0.3, -0.3], 1.0),  # a sum of 0 but for rounding
        ([0.1, -0.3, 0.25] * 5, 0.8204),  # by the seeded flips
    ],
)
def test_paired_p_at_its_ends(differences: list[float], p: float) -> None:
    assert paired_p(differences) == pytest.approx(p)
    adjusted = adjusted_p([[0.3], differences, [0.1, np.nan, 0.2], [0.0] * 5])
    theirs = pytest.approx(min(1.0, 2 * p)) if len(differences) > 1 else None
    assert adjusted == [None, theirs, None, 1.0]


def test_a_datamodel_score_is_the_rank_correlation_of_sums_of_scores() -> None:
    generator = np.random.default_rng(5)
    truth, kept = generator.normal(size=200), generator.random((100, 200)) < 0.5
    traits = np.array([truth[row].sum() for row in kept])
    assert datamodel_score(truth, kept, np.exp(traits)).mean == pytest.approx(1)
    assert datamodel_score(-truth, kept, traits).mean == pytest.approx(-1)
    blurred = traits + generator.normal(0, traits.std(), 100)
    found = datamodel_score(truth, kept, blurred)
    ranks = [np.argsort(np.argsort(each)) for each in (kept @ truth, blurred)]
    assert found.mean == pytest.approx(float(stats.pearsonr(*ranks).statistic))
    assert found.n == 100
    assert found.low is not None
    assert found.high is not None
    # Fisher's interval, with Bonett and Wright's variance of Spearman's ρ.
    half = 1.96 * np.sqrt((1 + found.mean**2 / 2) / 97)
    fisher = np.tanh(np.arctanh(found.mean) + np.array([-half, half]))
    assert [found.low, found.high] == pytest.approx(fisher.tolist(), abs=0.06)
    chance = datamodel_score(generator.normal(size=200), kept, traits)
    assert chance.low is not None
    assert chance.high is not None
    assert chance.low < 0 < chance.high
    with pytest.raises(ValueError, match="different sums and traits"):
        datamodel_score(np.ones(200), kept, np.ones(100))


def test_no_number_is_a_negative_zero() -> None:
    assert Estimate(-1e-4, -2e-4, -0.0, 3).format(3) == "0.000 [0.000, 0.000]"
    assert Estimate(-1e-4, -2e-3, 1e-4, 3).format(3, sign=True) == "+0.000 [-0.002, +0.000]"
    assert Estimate(0.5, None, None, 1).format() == "0.5000"
    assert format_effect([-0.01, -0.01, 0.02001]) == "0.0"


def test_a_threshold_is_the_logistic_curve_that_the_effects_were_made_with() -> None:
    shares = np.array([0.01, 0.03, 0.1, 0.3, 0.5, 1])
    for midpoint, slope in ((0.1, 1.0), (0.3, 5.0), (2.0, 0.7)):
        effects = 1 / (1 + (midpoint / shares) ** slope)
        assert threshold(shares, effects) == pytest.approx((midpoint, slope), rel=1e-4)
    assert threshold(shares, np.array([0, 0, 0, 1, 1, 1.0]))[1] > 20
    with pytest.raises(ValueError, match="three positive shares"):
        threshold(shares - 0.01, shares)
