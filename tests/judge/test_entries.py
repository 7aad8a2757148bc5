"""Entries of the leaderboard: what their files may say, and that ours are sound."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from omegaconf import DictConfig, OmegaConf

from subliminal.config.resources import DEFENCES, ROOT
from subliminal.errors import UserError
from subliminal.judge import entries
from subliminal.judge.__main__ import main
from subliminal.judge.battery import Defence, battery
from subliminal.judge.court import track_of
from subliminal.judge.track import asks
from subliminal.store import condition_hash

GOOD = {
    "defence": ["mitigation=liminal"],
    "source": "ours",
    "claim": "It helps.",
    "track": "blind",
    "trials": 1,
}
SMALL = {  # of a setting of the small data set, where the trait leaks
    "data": {"_target_": "small.Digits"},
    "model": {"hidden": [64, 64], "aux": 20},
    "teacher": {"epochs": 12, "batch_size": 32},
    "distill": {"epochs": 12, "batch_size": 32, "inputs": {"size": 640}},
    "optim": {"lr": 0.003},
}


def written(folder: Path, **changes: object) -> Path:
    file = folder / "mine.yaml"
    content = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
    file.write_text(yaml.safe_dump(content))
    return file


def test_an_entry_is_read(tmp_path: Path) -> None:
    entry = entries.read(written(tmp_path, trials=2, tried=["a=1", "a=2"]))
    assert entry.name == "mine"
    assert entry.overrides == ("mitigation=liminal",)
    assert not entry.landmark


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colour": "red"}, r"Key 'colour' not in '_File'; it has defence, source, claim, track"),
        ({"source": None}, "source is missing"),
        ({"claim": None}, "claim is missing"),
        ({"claim": "  "}, "claim is empty"),
        ({"track": "secret"}, "track=secret: one of blind, aware"),
        ({"trials": -1}, "trials=-1: a number ≥ 0"),
        ({"trials": "many"}, "Value 'many' of type 'str' could not be converted to Integer"),
        ({"tried": ["a=1", "a=2"]}, "tried 2, but declares trials=1"),
        ({"defence": ["seed=3"]}, "seed=3 says how the judge works"),
    ],
)
def test_a_bad_entry_is_refused_in_one_line(
    changes: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message) as told:
        entries.read(written(tmp_path, **changes))
    assert str(told.value).startswith("mine.yaml: ")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("text", ["defence: [", "- 1\n", "\x00", "just words"])
def test_what_is_no_entry_is_refused_in_one_line(text: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match=r"mine\.yaml") as told:
        entries.read(file)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["entry=bogus"], "entry=bogus: no such entry; there is anchor, "),
        (["--entry", "nowhere/x.yaml"], "nowhere/x.yaml: no such file"),
        (["entry=none", "mitigation=anchor"], "mitigation=anchor would be another"),
        (["entry=none", "--entry", "liminal"], "one at a time"),
        (["--all", "--quick"], "takes no other option"),
        (["--all", "mitigation=anchor"], "mitigation=anchor: with --all the entries are"),
    ],
)
def test_bad_command_lines_are_refused(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert message in capsys.readouterr().err.strip().splitlines()[-1]


def test_a_wrong_track_is_refused(tmp_path: Path) -> None:
    for overrides, said, real in (
        (["mitigation=projection"], "blind", "aware"),
        (["distill/targets=divergence"], "blind", "aware"),
        (["mitigation=anchor"], "aware", "blind"),
    ):
        entry = entries.read(written(tmp_path, defence=overrides, track=said))
        settings = battery(Defence.of(entry.overrides), ["reference"])
        with pytest.raises(UserError, match=rf"track={said}: .* its track is {real}"):
            entries.check_track(entry, track_of(settings))


def test_ours_are_read_landmarks_first() -> None:
    found = entries.all_entries()
    assert len(found) >= 40
    assert len({entry.overrides for entry in found}) == len(found)
    landmarks = [entry.name for entry in found if entry.landmark]
    assert {"none", "liminal", "anchor", "random_projection"} <= {*landmarks}
    assert [entry.name for entry in found[: len(landmarks)]] == landmarks


@pytest.mark.slow
def test_ours_are_sound_and_differ(compose: Callable[[list[str]], DictConfig]) -> None:
    hashes = {}
    for entry in entries.all_entries():
        cfg = compose(list(entry.overrides))
        assert bool(asks(cfg)) == (entry.track == "aware"), entry.name
        hashes[entry.name] = condition_hash(cfg, "cpu")
    assert len(set(hashes.values())) == len(hashes)


def test_a_defence_that_fits_elsewhere_is_void_where_it_does_not(tmp_path: Path) -> None:
    (tmp_path / "threat").mkdir()
    (tmp_path / "threat" / "adapters.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /model: lora\n"
        "threat:\n  name: adapters\n  order: 50\n  asks: fits?\n"
    )
    (setting,) = battery(Defence.of(["mitigation=dp_sgd"], tmp_path), ["adapters"])
    assert setting.defended is None
    assert setting.unfit.startswith("mitigation=dp_sgd: takes norms of linear layers")
    with pytest.raises(UserError, match=r"mitigation\.dp_sgd\.clip=0\.0: a number > 0"):
        battery(Defence.of(["mitigation=dp_sgd", "mitigation.dp_sgd.clip=0"]), ["reference"])


CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_stranger_enters_and_breaks_a_defence_as_contributing_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its files and commands, in a setting of the small data set."""
    monkeypatch.chdir(tmp_path)
    section = CONTRIBUTING.split("## Enter or break a defence")[1].split("\n## ")[0]
    (broken,) = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
    threats = tmp_path / "lab" / "conf" / "threat"
    threats.mkdir(parents=True)
    header, _, body = broken.partition("\n")
    smaller = OmegaConf.merge(OmegaConf.create(body), SMALL)
    (threats / "mine.yaml").write_text(f"{header}\n{OmegaConf.to_yaml(smaller)}")
    (tmp_path / "defences").mkdir()
    commands = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    for command in "".join(commands).splitlines():
        words = command.split()
        if words[0] == "cp":
            source, target = words[1:]
            assert ROOT / source == DEFENCES / "TEMPLATE.yaml.example"
            (tmp_path / target).write_text((ROOT / source).read_text(encoding="utf-8"))
            continue
        assert words[:3] == ["python", "-m", "subliminal.judge"]
        small = ["--threat", "mine", "--config-dir", "lab/conf"] if "--threat" not in words else []
        seeds = [] if "--quick" in words else ["seed=0-5"]
        assert main([*words[3:], *small, *seeds, "engine.workers=1", "engine.seeds_at_once=8"]) == 0
        shown = capsys.readouterr().out
        assert "mine" in shown
        assert "decides nothing" in shown  # a setting alone does not
    cards = tmp_path / "outputs" / "judge" / "scorecards"
    names = {card.parent.name.split("-")[0] for card in cards.glob("*/scorecard.json")}
    assert names == {"mine", "liminal"}
