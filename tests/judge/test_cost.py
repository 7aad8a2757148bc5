"""The plan's arithmetic on made-up parts; `test_evaluation` has it of real runs."""

import pytest

from subliminal.judge.cost import USUAL, JobPlan, SettingPlan, estimate, show_plan

PARTLY = JobPlan(runs=10, missing=6, passes=3.0, seconds=20.0, workers=2)
NEW = JobPlan(runs=10, missing=10, passes=5.0, seconds=None, workers=1)
KEPT = JobPlan(runs=10, missing=0, passes=0.0, seconds=40.0, workers=1)


def plans(*settings: dict[str, JobPlan]) -> list[SettingPlan]:
    return [SettingPlan("a", parts) for parts in settings]


def test_finished_runs_foretell_what_the_missing_take() -> None:
    assert estimate(plans({"undefended": PARTLY})) == 3 * 20 / 2
    # A condition without a finished run takes the mean of those that have some.
    mixed = plans({"undefended": PARTLY, "null": KEPT}, {"null": NEW})
    assert estimate(mixed) == 3 * 20 / 2 + 5 * 30
    assert estimate(plans({"undefended": NEW})) == 5 * USUAL
    assert estimate(plans({"undefended": KEPT})) == 0


def test_the_table_shows_finished_and_missing_runs(capsys: pytest.CaptureFixture[str]) -> None:
    mixed = plans({"undefended": KEPT, "null": PARTLY, "defended": NEW})
    line = show_plan([*mixed, SettingPlan("b", {}, "a clash")])
    assert line == "2 settings, 30 runs: 14 finished, 16 to train: about 3 min"
    table = capsys.readouterr().err
    for text in ("10 kept", "6 of 10 to train", "10 of 10 to train", "a clash", "about 3 min"):
        assert text in table
    new = "1 settings, 10 runs: 0 finished, 10 to train: about 5 min"
    assert show_plan(plans({"undefended": NEW})) == new
    assert show_plan(plans({"undefended": KEPT})).endswith("10 finished, 0 to train.")
