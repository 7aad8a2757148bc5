"""The plan's arithmetic on made-up parts; `test_judge` has it of real runs."""

import pytest

from subliminal.judge.cost import Part, Row, estimate, show_plan

TOLD = Part(runs=10, finished=4, passes=3.0, seconds=20.0, workers=2)
NEW = Part(runs=10, finished=0, passes=5.0, seconds=None, workers=1)
KEPT = Part(runs=10, finished=10, passes=0.0, seconds=40.0, workers=1)


def test_finished_runs_tell_what_the_missing_take() -> None:
    assert estimate([Row("a", {"undefended": TOLD})]) == 3 * 20 / 2
    # A condition without a finished run takes the mean of those that have some.
    assert estimate([Row("a", {"undefended": TOLD, "null": KEPT}), Row("b", {"null": NEW})]) == (
        3 * 20 / 2 + 5 * 30
    )
    assert estimate([Row("b", {"undefended": NEW})]) is None
    assert estimate([Row("a", {"undefended": KEPT})]) == 0


def test_the_table_says_what_there_is_and_what_is_missing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [Row("a", {"undefended": KEPT, "null": TOLD, "defended": NEW}), Row("b", {}, "a clash")]
    line = show_plan(rows)
    assert line == "2 settings, 30 runs: 14 finished, 16 to train: about 3 min"
    table = capsys.readouterr().err
    for text in ("10 kept", "6 of 10 to train", "10 of 10 to train", "a clash", "about 3 min"):
        assert text in table
    assert show_plan([Row("b", {"undefended": NEW})]) == (
        "1 settings, 10 runs: 0 finished, 10 to train: 5.0 M images"
    )
    assert show_plan([Row("a", {"undefended": KEPT})]).endswith("10 finished, 0 to train.")
