"""The plan's arithmetic on made-up parts; `test_evaluation` has it of real runs."""

import pytest

from subliminal.judge.cost import JobPlan, SettingPlan, each, estimate, show_plan

PARTLY = JobPlan(runs=10, missing=6, student=0.5, passes=3.0, seconds=20.0, workers=2)
NEW = JobPlan(runs=10, missing=10, student=0.5, passes=5.0, seconds=30.0, workers=1)
KEPT = JobPlan(runs=10, missing=0, student=0.5, passes=0.0, seconds=40.0, workers=1)


def plans(*settings: dict[str, JobPlan]) -> list[SettingPlan]:
    return [SettingPlan("a", parts) for parts in settings]


def test_missing_runs_take_what_their_images_take() -> None:
    assert estimate(plans({"undefended": PARTLY, "defended": KEPT})) == 3 * 20 / 2
    mixed = plans({"undefended": PARTLY}, {"undefended_null": NEW})
    assert estimate(mixed) == 3 * 20 / 2 + 5 * 30
    assert estimate(plans({"undefended": KEPT})) == 0
    shared = {"undefended": KEPT, "undefended_null": PARTLY, "unrelated": NEW}
    assert each(plans(shared), 10) == 10 * 0.5 * 40 + 10 * 0.5 * 20 / 2
    assert each(plans(shared), 5) == each(plans(shared), 10) / 2


def test_the_table_shows_finished_and_missing_runs(capsys: pytest.CaptureFixture[str]) -> None:
    mixed = plans({"undefended": KEPT, "undefended_null": PARTLY, "defended": NEW})
    line = show_plan([*mixed, SettingPlan("b", {}, "a clash")])
    assert line == "2 settings, 30 runs: 14 finished, 16 to train: about 3 min"
    table = capsys.readouterr().err
    for text in ("6 of 20 to train", "10 of 10 to train", "a clash", "about 3 min"):
        assert text in table
    assert show_plan(plans({"undefended": KEPT})).endswith("10 finished, 0 to train.")
