"""Verdicts on values made by hand."""

import pytest

from subliminal.report.claim import Claim, text_of
from subliminal.report.statistics import Estimate

NEAR = [1.0, 1.1, 0.9, 1.05, 0.95]  # all close to 1


def claim(values: list[float], side: str, bound: float = 0.0) -> Claim:
    return Claim("text", "statistic", dict(enumerate(values)), side, bound)


@pytest.mark.parametrize(
    ("shift", "side", "bound", "verdict"),
    [
        (0.0, "> 0", 0, "holds"),
        (0.0, "< 0", 0, "refuted"),
        (-2.0, "> 0", 0, "refuted"),
        (-2.0, "< 0", 0, "holds"),
        (-1.0, "> 0", 0, "undecided"),
        (-1.0, "< 0", 0, "undecided"),
        (-1.0, "within", 0.5, "holds"),
        (0.0, "within", 0.5, "refuted"),
        (-2.0, "within", 0.5, "refuted"),
        (0.0, "within", 1.0, "undecided"),  # the interval holds the bound
        (-2.0, "within", 1.0, "undecided"),
        (-1.0, "within", 0.01, "undecided"),  # the interval is wider than the bounds
        (0.0, "within", 2.0, "holds"),
    ],
)
def test_verdict(shift: float, side: str, bound: float, verdict: str) -> None:
    assert claim([value + shift for value in NEAR], side, bound).verdict == verdict


@pytest.mark.parametrize("side", ["> 0", "< 0", "within", "includes", "mean"])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_seeds_decide_nothing(side: str, n: int) -> None:
    assert claim(NEAR[:n], side, 5.0).verdict == f"undecided (n = {n})"
    assert "undecided" not in claim(NEAR[:4], side, 5.0).verdict


@pytest.mark.parametrize("side", ["> 0", "< 0"])
def test_no_difference_at_all_decides_nothing(side: str) -> None:
    assert claim([0.0] * 5, side).verdict == "undecided"


@pytest.mark.parametrize(
    ("widest", "digits"), [(0.0994, 4), (0.1, 3), (-0.994, 3), (-1.0, 2), (1.06, 2)]
)
def test_digits_follow_the_widest_number(widest: float, digits: int) -> None:
    assert text_of(Estimate(0.05, None, widest, 3)) == f"+0.05{'0' * (digits - 2)}"
