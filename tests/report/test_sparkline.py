"""Sparklines by hand, and their extremes."""

from hypothesis import given
from hypothesis import strategies as st

from subliminal.report.sparkline import BARS, sparkline


def test_bars_between_given_bounds() -> None:
    assert sparkline([0, 0.5, 1], bounds=(0, 1)) == "▁▅█"
    assert sparkline([-0.1, 2.0], bounds=(0, 1)) == "▁█"
    assert sparkline([], bounds=(0, 1)) == ""
    assert sparkline([0.0], bounds=(0, 0)) == "▁"


def test_bars_are_means_between_the_extremes() -> None:
    assert sparkline([0.0, 1.0, 2.0, 7.0], width=4) == BARS[0] + BARS[1] + BARS[2] + BARS[7]
    assert sparkline([0.0, 2.0, 6.0, 8.0], width=2) == BARS[0] + BARS[7]  # means 1 and 7
    assert sparkline([1.0, float("nan"), 2.0]) == BARS[0] + " " + BARS[7]
    assert sparkline([], width=4) == ""


@given(values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200), width=st.integers(1, 60))
def test_a_sparkline_fits_and_shows_its_extremes(values: list[float], width: int) -> None:
    drawn = sparkline(values, width=width)
    assert len(drawn) == min(width, len(values))
    assert set(drawn) <= set(BARS)
    if len(values) <= width and max(values) - min(values) > 1e-3:
        assert drawn[values.index(max(values))] == BARS[-1]
        assert drawn[values.index(min(values))] == BARS[0]
