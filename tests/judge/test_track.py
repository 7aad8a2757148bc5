"""What declares that it takes something of the trait, and what a blind student is given."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import small
import torch
from omegaconf import DictConfig

from subliminal.config.canonical import composed_values
from subliminal.config.schema import Threat
from subliminal.data.withheld import TraitWithheld, Withheld
from subliminal.errors import UserError
from subliminal.judge import track as module
from subliminal.judge.battery import PARTS, Setting
from subliminal.judge.rooms import Rooms, strangers
from subliminal.judge.track import declared, track_of
from subliminal.training.job import Job


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
    monkeypatch.setattr(module, "declared", lambda _: "")
    read = iter(["", "it reads the trait", "it reads the trait"])
    monkeypatch.setattr(module, "_first_blind", lambda *_: next(read))
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
