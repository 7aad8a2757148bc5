"""Bad input on the judge's command line, and entries that it names."""

import re
from pathlib import Path

import pytest
import small
from omegaconf import OmegaConf

from subliminal.config.resources import DEFENCES, ROOT
from subliminal.judge.__main__ import main

REFERENCE = ["--threat", "reference"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["model.aux=9"], "a defence may not touch model"),
        (["teacher=adaptive"], "a defence may not touch model, base"),
        (["--threat", "bogus"], "no such setting"),
        (["threat=bogus"], "no such setting"),
        (["--track", "deaf", *REFERENCE], "one of blind, aware"),
        (["mitigation=projection", "--track", "blind", *REFERENCE], "that track does not give"),
        (["mitigation=anchor", "--dial", *REFERENCE], "an entry that declares a dial is needed"),
        (["--recompute", "nowhere.json"], "nowhere.json: no scorecard of this judge"),
        (["seed=0-3", "mitigation=liminal", *REFERENCE], "needs at least 6"),
        (["--entry", "nowhere/x.yaml"], "nowhere/x.yaml: No such file"),
        (["entry=none", "mitigation=anchor"], "mitigation=anchor would be another"),
        (["entry=none", "--entry", "liminal"], "one at a time"),
        (["--all", "--quick"], "takes --threat alone"),
        (["--all"], "that is not judged yet. Start? No terminal can answer; give --yes"),
        (["seed=0-399", "outputs=nowhere", *REFERENCE], "hours. Start? No terminal can answer"),
        (["--all", "--yes", "mitigation=anchor"], "mitigation=anchor: with --all the entries are"),
    ],
)
def test_bad_input_is_one_line(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    assert message in error


ENTERING = (ROOT / "docs" / "entering.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_stranger_enters_and_breaks_a_defence_as_its_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its files and commands, in a setting of the small data set."""
    monkeypatch.chdir(tmp_path)
    (broken,) = re.findall(r"```yaml\n(.*?)```", ENTERING, re.DOTALL)
    threats = tmp_path / "lab" / "conf" / "threat"
    threats.mkdir(parents=True)
    header, _, body = broken.partition("\n")
    smaller = OmegaConf.merge(OmegaConf.create(body), OmegaConf.from_dotlist(small.LEAKING))
    (threats / "mine.yaml").write_text(f"{header}\n{OmegaConf.to_yaml(smaller)}")
    (tmp_path / "defences").mkdir()
    commands = re.findall(r"```sh\n(.*?)```", ENTERING, re.DOTALL)
    for command in "".join(commands).splitlines():
        words = command.split()
        if words[0] == "cp":
            source, target = words[1:]
            assert ROOT / source == DEFENCES / "TEMPLATE.yaml.example"
            (tmp_path / target).write_text((ROOT / source).read_text(encoding="utf-8"))
            continue
        assert words[:3] == ["python", "-m", "subliminal.judge"]
        mine = ["--threat", "mine", "--config-dir", "lab/conf"] if "--threat" not in words else []
        seeds = [] if "--quick" in words else ["seed=0-5"]
        assert main([*words[3:], *mine, *seeds, "engine.workers=1", "engine.seeds_at_once=8"]) == 0
        shown = capsys.readouterr().out
        assert "mine" in shown
        assert "decides nothing" in shown  # a setting alone does not
    cards = tmp_path / "outputs" / "judge" / "scorecards"
    names = {card.parent.name.split("-")[0] for card in cards.glob("*/scorecard.json")}
    assert names == {"mine", "liminal"}
