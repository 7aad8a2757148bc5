"""All entries, one after the other: what is finished is kept, what cannot be judged is told."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from test_judge import SMALL

from subliminal.judge import board, court, scorecard
from subliminal.judge.battery import Defence, Setting, battery
from subliminal.judge.board import CARD, judge_all
from subliminal.judge.entries import Entry
from subliminal.sweep.console import Console

ENTRY = Entry("none", (), "ours", "Nothing.", "blind", 0, False)


def test_entries_are_judged_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    small = Defence((), (*SMALL, f"outputs={tmp_path}", "seed=0-5"))
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.setattr(court, "names", lambda *_, **__: ["reference"])  # the whole battery

    def in_small(defence: Defence) -> list[Setting]:
        return battery(replace(small, overrides=defence.overrides), ["reference"])

    monkeypatch.setattr(board, "battery", in_small)
    bad = replace(ENTRY, name="bad", overrides=("mitigation=bogus",))
    liar = replace(ENTRY, name="liar", track="aware")
    failed = judge_all([bad, ENTRY, liar], [], None, Console())
    assert list(failed) == ["bad", "liar"]
    assert "its track is blind" in failed["liar"]
    card = tmp_path / "judge" / "scorecards" / "none" / CARD
    assert json.loads(card.read_text())["verdict"] == "no effect"
    before = card.stat().st_mtime_ns
    assert judge_all([ENTRY], [], None, Console()) == {}
    assert card.stat().st_mtime_ns == before
    assert "Entry 2 of 3: none" in capfd.readouterr().err

    told: list[str] = []

    def notes(*_: object, **__: object) -> scorecard.Scorecard:
        told.append("judged")
        return scorecard.Scorecard((), "blind", (0,), (), (), ())

    monkeypatch.setattr(board, "judge", notes)
    monkeypatch.setattr(board, "write", lambda *_: None)
    monkeypatch.setattr(board, "finished", lambda *_: [])
    judge_all([replace(ENTRY, overrides=("mitigation=anchor",))], [], None, Console())
    assert told == ["judged"]  # another defence by that name
    for damage in ("{", "[]", json.dumps(json.loads(card.read_text()) | {"seeds": [1]})):
        card.write_text(damage)
        judge_all([ENTRY], [], None, Console())
    assert len(told) == 4
