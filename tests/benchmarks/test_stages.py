"""The stages of the language: what is watched is there, and inner time is not counted twice."""

import time

import pytest
from performance import Target, _language
from stages import TARGETS, WATCHED, _spent, _stage


@pytest.mark.parametrize(("holder", "name", "stage"), WATCHED)
def test_what_is_watched_is_there(holder: object, name: str, stage: str) -> None:
    assert callable(getattr(holder, name))


def test_a_stage_within_another_counts_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 2.0, 5.0, 9.0])
    monkeypatch.setattr(time, "process_time", lambda: next(clock))
    with _stage("outer"), _stage("inner"):
        pass
    assert (_spent["inner"], _spent["outer"]) == (3.0, 6.0)


def test_each_target_is_read_from_the_record() -> None:
    best = {stage: number for number, stage in enumerate(TARGETS)}
    for stage in TARGETS:
        target = Target("", "", _language(stage), bool)
        assert target.reached({"language": {"best": best}}) == best[stage]
