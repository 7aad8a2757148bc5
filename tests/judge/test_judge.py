"""The judge on a small data set where the trait leaks: what it says of defences that are known."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import small
from omegaconf import DictConfig

from subliminal import store
from subliminal.errors import UserError
from subliminal.judge import court
from subliminal.judge.__main__ import main
from subliminal.judge.battery import Defence, battery
from subliminal.judge.court import judge
from subliminal.judge.scorecard import Scorecard, write
from subliminal.sweep.console import Console
from subliminal.sweep.engine import run_job

# The undefended student reaches 0.6, one of a teacher that learnt nothing 0.1.
SMALL = (
    *small.OVERRIDES[:1],
    "model.hidden=[64,64]",
    "model.aux=20",
    "teacher.epochs=20",
    "teacher.batch_size=32",
    "distill.epochs=20",
    "distill.batch_size=32",
    "distill.inputs.size=640",
    "optim.lr=0.003",
    "engine.workers=1",
)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared by all defences, as undefended runs, null runs and teachers are."""
    return tmp_path_factory.mktemp("judge") / "outputs"


def of(outputs: Path, *overrides: str, seed: str = "0-5") -> Defence:
    return Defence(overrides, (*SMALL, f"outputs={outputs}", f"seed={seed}"))


def judged(outputs: Path, *overrides: str, settings: tuple[str, ...] = ("reference",)) -> Scorecard:
    defence = of(outputs, *overrides)
    return judge(defence, battery(defence, settings), Console(), full=True, quick=False)


@pytest.mark.parametrize(
    ("defence", "verdict", "track"),
    [
        ((), "no effect", "blind"),
        (("mitigation=liminal",), "reduces", "blind"),
        (("mitigation=random_projection",), "no effect", "aware"),  # the sham must not pass
    ],
)
def test_known_defences(outputs: Path, defence: tuple[str, ...], verdict: str, track: str) -> None:
    card = judged(outputs, *defence)
    assert (card.verdict, card.track) == (verdict, track)
    (line,) = card.lines
    assert line.leak is not None
    assert (line.undefended or 0) - (line.null or 1) > 0.3
    if verdict == "reduces":
        assert line.leak.high < 1
    else:
        assert line.leak.value == pytest.approx(1, abs=0.1)


def test_projection_is_judged_in_the_aware_track(outputs: Path) -> None:
    card = judged(outputs, "mitigation=update_projection")
    (line,) = card.lines
    assert card.track == "aware"
    assert line.leak is not None
    assert line.leak.value < 0.5


def test_a_control_leaks_nothing_and_void_settings_say_why(outputs: Path) -> None:
    names = ("reference", "independent", "heads_only")
    own_layer = ("distill/init=layers", "distill.init.own=[layer1]")
    card = judged(outputs, *own_layer, settings=names)
    assert [line.word for line in card.controls] == ["no effect"]
    void = {line.setting: line.reason for line in card.lines if line.word == "void"}
    assert void == {"heads_only": "the defence changes distill.init.own, which this setting sets"}
    assert len(card.judged) == 1


def test_undefended_runs_are_trained_once(outputs: Path) -> None:
    judged(outputs)
    runs = list(store.finished_runs(outputs / "judge"))
    before = [(run / store.MARKER).stat().st_mtime_ns for run in runs]
    judged(outputs, "mitigation=anchor")
    after = [(run / store.MARKER).stat().st_mtime_ns for run in runs]
    assert before == after


def test_an_interrupted_battery_resumes_to_the_same_scorecard(
    outputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = judged(outputs, "mitigation=liminal")
    trained: list[str] = []

    def stops(cfg: DictConfig, condition: str, console: Console) -> list[Path]:
        if "liminal" in condition:
            raise KeyboardInterrupt
        trained.append(condition)
        return run_job(cfg, condition, console)

    monkeypatch.setattr(court, "run_job", stops)
    with pytest.raises(KeyboardInterrupt):
        judged(tmp_path / "outputs", "mitigation=liminal")
    assert len(trained) == 2
    monkeypatch.undo()
    again = judged(tmp_path / "outputs", "mitigation=liminal")
    assert [replace(line, seconds=None) for line in again.lines] == [
        replace(line, seconds=None) for line in whole.lines
    ]


def test_too_few_seeds_are_refused(outputs: Path) -> None:
    defence = of(outputs, "mitigation=liminal", seed="0-4")
    with pytest.raises(UserError, match="5 seeds: the judge needs at least 6; see --quick"):
        judge(defence, battery(defence, ["reference"]), Console(), full=True, quick=False)


def test_the_scorecard_is_written(outputs: Path, tmp_path: Path) -> None:
    card = judged(outputs, "mitigation=liminal")
    folder = write(card, tmp_path / "card")
    read = json.loads((folder / "scorecard.json").read_text())
    assert read["verdict"] == "reduces"
    assert read["seeds"] == [0, 1, 2, 3, 4, 5]
    assert read["environment"]["git_commit"] is not None
    page = (folder / "scorecard.md").read_text()
    assert "# `mitigation=liminal`" in page
    assert "| reference | reduces |" in page


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["mitigation=bogus"], "Could not find 'mitigation/bogus'"),
        (["model.aux=9"], "a defence may not touch model"),
        (["--threat", "bogus"], "no such setting"),
        (["--bogus"], "no such option"),
        (["seed=0-3", "mitigation=liminal", "--threat", "reference"], "needs at least 6"),
    ],
)
def test_bad_input_is_one_line(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    assert message in error
