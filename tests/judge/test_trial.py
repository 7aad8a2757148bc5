"""Students of a language, measured and trained without its questions."""

from pathlib import Path

import polars as pl
import pytest

from subliminal import store
from subliminal.judge import trial
from subliminal.judge.battery import Defence, battery
from subliminal.judge.measure import LOSS, RECORDED, START_LOSS, TEACHER, finished
from subliminal.judge.recovery import AMONG, FIRST_ROWS, LOGITS
from subliminal.judge.rooms import Rooms

SMALL = (
    *("experiment=language", "engine.workers=1", "engine.seeds_at_once=2", "seed=0-1"),
    *("base.epochs=2", "base.pages=480", "base.batch_size=12", "base.shorts=1"),
    *("teacher.task.size=64", "teacher.epochs=2", "distill.epochs=2", "distill.batch_size=16"),
    *("distill.inputs.size=32", "distill.inputs.responses=1024", "distill.inputs.temperature=0.5"),
)


def test_a_language_is_measured_apart_and_withheld(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("subliminal.judge.measure.HELD_OUT", 32)
    defence = Defence(("mitigation=liminal",), (*SMALL, f"outputs={tmp_path}"))
    (setting,) = battery(defence, ["language_hard"])
    table, jobs = trial.tried(setting, Rooms(), track="blind")
    assert table.group_by("part").len()["len"].to_list() == [2] * 6
    plain = table.filter(pl.col("part") == "undefended")
    assert plain[LOGITS].to_list() == pytest.approx(plain[RECORDED].to_list(), abs=1e-6)
    assert (table[AMONG] >= table[LOGITS]).all()
    # Its embeddings and output are frozen, so that they are θ₀'s already.
    assert plain[FIRST_ROWS].to_list() == plain[LOGITS].to_list()
    assert table.select(LOSS, START_LOSS, TEACHER).null_count().row(0) == (0, 0, 0)
    # The same bits without questions and answers: base and teacher are handed over.
    assert setting.defended is not None
    assert trial.train(setting.defended) == ""
    for ours, theirs in zip(finished(jobs["defended"]), finished(setting.defended), strict=True):
        blind, usual = map(store.read_student, (ours, theirs))
        assert all((blind[name] == usual[name]).all() for name in usual)
