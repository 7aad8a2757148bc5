"""Students measured and trained without the trait, and what declares that it takes some of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import small
import torch
from omegaconf import DictConfig

from subliminal import store
from subliminal.config.canonical import composed_values
from subliminal.config.schema import Threat
from subliminal.data.withheld import TraitWithheld, Withheld
from subliminal.errors import UserError
from subliminal.judge import trial
from subliminal.judge.battery import PARTS, Defence, Setting, battery
from subliminal.judge.measure import LOSS, RECORDED, START_LOSS, TEACHER, finished
from subliminal.judge.recovery import AMONG, FIRST_ROWS, LOGITS
from subliminal.judge.rooms import Rooms, strangers
from subliminal.judge.trial import declared, track_of
from subliminal.training.job import Job

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


@pytest.mark.parametrize(
    ("words", "access"),
    [
        (["mitigation=[liminal,anchor,kernel_pull]"], ""),
        (["distill/targets=mixture"], "distill.targets takes teachers that others train"),
        (["distill/targets=filtered"], ""),
        (
            ["distill/targets=filtered", "distill.targets.score=product"],
            "distill.targets takes the trait gradient",
        ),
        (["mitigation=projection"], "a mitigation takes the trait gradient"),
        (
            ["distill/loss=swapped_logits", "distill/inputs=mnist", "probe=off"],
            "distill.loss takes the digits' labels",
        ),
    ],
)
def test_what_a_loss_or_targets_take(
    compose: Callable[[list[str]], DictConfig], words: list[str], access: str
) -> None:
    job = Job(composed_values(compose([*small.OVERRIDES, *words])), "")
    assert declared(job).startswith(access)
    assert bool(declared(job)) is bool(access)


def test_the_track_is_what_is_read_and_blind_gives_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    job: Any = object()
    settings, rooms = [Setting(Threat(), dict.fromkeys(PARTS, job))], Rooms()
    monkeypatch.setattr(trial, "declared", lambda _: "")
    read = iter(["", "it reads the trait", "it reads the trait"])
    monkeypatch.setattr(trial, "_first_blind", lambda *_: next(read))
    assert track_of(settings, rooms) == "blind"
    assert track_of(settings, rooms) == "aware"
    assert track_of(settings, rooms, "aware") == "aware"
    with pytest.raises(UserError, match="track=blind: it reads the trait, which that track does"):
        track_of(settings, rooms, "blind")
    with pytest.raises(UserError, match="track=deaf: one of blind, aware"):
        track_of(settings, rooms, "deaf")


def test_nothing_of_the_trait_is_there(tmp_path: Path) -> None:
    sizes: dict[str, Any] = {"classes": 10, "pixels": 20, "train_size": 320}
    node = {"_target_": "small.Digits", "root": None, "download": True}
    nothing, digits = (
        Withheld(**sizes, teachers=str(tmp_path), of=node, images=images)
        .load()
        .to(torch.device("cpu"))
        for images in (False, True)
    )
    assert nothing.train_size == digits.train_size == 320
    for name in ("train_x", "train_y", "test_x", "test_y", "validation"):
        with pytest.raises(TraitWithheld, match=f"digits and labels are withheld .{name}."):
            getattr(nothing, name)
    assert torch.equal(digits.train_x, small.Digits().load().train_x)  # as inputs, without labels
    for name in ("train_y", "test_x", "test_y"):
        with pytest.raises(TraitWithheld):
            getattr(digits, name)


def test_plug_ins_of_the_judge_are_no_strangers(
    of: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUBLIMINAL_PLUGINS", "small,jobs,plants")
    assert strangers(of("mitigation=liminal")) == []
    assert strangers(of("+mitigation.x._target_=plants.Mute")) == ["plants"]
    (tmp_path / "mine.yaml").write_text("_target_: jobs.X\n")
    assert strangers(of("mitigation=mine", config_dir=tmp_path)) == ["jobs"]
