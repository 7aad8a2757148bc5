"""Cheats that are planted, and defences whose words are known, judged as any entry is."""

from pathlib import Path

import pytest
from judging import Judged, Of

from subliminal.judge.battery import battery
from subliminal.judge.evaluation import judge
from subliminal.judge.rooms import rooms_for
from subliminal.sweep.console import Console


def plant(name: str, *keys: str) -> tuple[str, ...]:
    return f"+mitigation.plant._target_=plants.{name}", *(f"+mitigation.plant.{k}" for k in keys)


each_plant = pytest.mark.parametrize(
    ("defence", "leak", "utility"),
    [
        ((), "no effect", "keeps"),
        (plant("Mute"), "hides", "keeps"),
        (plant("Launder"), "hides", "keeps"),
        (plant("Clean"), "hides", "keeps"),
        (plant("Bias"), "hides", "keeps"),
        (plant("Permute"), "hides", "keeps"),
        (plant("Bias", "by=3e38"), "invalid", ""),
        (plant("NotANumber"), "invalid", ""),
        (plant("Forge"), "no effect", "keeps"),
        (("optim.lr=1e-12",), "blocks", "useless"),
        (("distill/init=independent",), "blocks", "useless"),  # it certainly learns no trait
    ],
)


@each_plant
def test_each_has_its_words(
    judged: Judged, defence: tuple[str, ...], leak: str, utility: str
) -> None:
    card = judged(*defence)
    assert (card.track, card.leak, card.utility) == ("blind", leak, utility)


@pytest.mark.slow
@each_plant
def test_each_has_its_words_at_full_size(
    judged_at_full_size: Judged, defence: tuple[str, ...], leak: str, utility: str
) -> None:
    card = judged_at_full_size(*defence)
    assert (card.track, card.leak, card.utility) == ("blind", leak, utility)


def test_what_reads_the_trait_cannot_train_blind(judged: Judged) -> None:
    """Whatever it does in batches of two images: the digits are not there."""
    assert judged(*plant("Peek")).track == "aware"


def test_an_aware_defence_that_writes_another_accuracy_is_invalid(judged: Judged) -> None:
    card = judged(*plant("Forge"), "mitigation=random_projection")
    assert (card.track, card.leak) == ("aware", "invalid")
    assert "logged an accuracy that is not theirs" in card.lines[0].reason


def test_what_acts_on_the_judges_seeds_alone_is_invalid(judged: Judged) -> None:
    card = judged(*plant("Seeded", "least=0", "most=7"), secret=True)
    assert card.leak == "invalid"
    assert card.lines[0].word == "blocks"
    assert card.depends.startswith("depends on the seeds: ")
    assert not judged("mitigation=anchor", secret=True).depends


def test_code_of_an_entrant_changes_no_measurement(
    of: Of, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plug-in that patches the judge as it is loaded: it is loaded where nothing is measured."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("SUBLIMINAL_PLUGINS", "small,jobs,patcher")
    (tmp_path / "patcher.py").write_text(
        "from dataclasses import dataclass\n"
        "from subliminal.mitigations import Mitigation\n"
        "from subliminal.judge import measure, recovery\n"
        "measure.recovered = lambda *_, **__: {recovery.LOGITS: 0.1}\n"
        "@dataclass(frozen=True, kw_only=True)\n"
        "class Nothing(Mitigation):\n    pass\n"
    )
    folder = tmp_path / "outputs"
    defence = of("+mitigation.x._target_=patcher.Nothing", seed="0-2", folder=folder)
    with rooms_for(defence) as rooms:
        settings = rooms.entrant(battery, defence, ["reference"])
        card = judge(defence, settings, rooms, Console(), quick=True, track="blind")
    assert card.leak == "no effect"
    assert card.lines[0].traits["defended"] > 0.3
