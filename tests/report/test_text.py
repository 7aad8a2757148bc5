"""Sparklines by hand."""

from subliminal.report.text import sparkline


def test_sparkline() -> None:
    assert sparkline([0, 0.5, 1], 0, 1) == "▁▅█"
    assert sparkline([-0.1, 2.0], 0, 1) == "_█"
    assert sparkline([], 0, 1) == ""
    assert sparkline([0.0], 0, 0) == "▁"
