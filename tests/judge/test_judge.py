"""The judge on a small data set where the trait leaks: what it says of defences that are known."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import small
from omegaconf import DictConfig
from resolved import train_config

from subliminal import store
from subliminal.errors import UserError
from subliminal.judge import attack, trial
from subliminal.judge.__main__ import main
from subliminal.judge.battery import Defence, battery
from subliminal.judge.cost import estimate, finished, planned
from subliminal.judge.court import judge
from subliminal.judge.scorecard import Scorecard, write
from subliminal.sweep.console import Console

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
    "engine.seeds_at_once=8",
)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared by all defences, as undefended runs, null runs and teachers are."""
    return tmp_path_factory.mktemp("judge") / "outputs"


def of(
    outputs: Path, *overrides: str, seed: str = "0-5", config_dir: Path | None = None
) -> Defence:
    return Defence(overrides, (*SMALL, f"outputs={outputs}", f"seed={seed}"), config_dir)


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
    assert line.readout_leak is not None
    assert (line.undefended or 0) - (line.null or 1) > 0.3
    if verdict == "reduces":
        assert line.leak.high < 1
        assert line.detects is not None
        assert 0 < line.detects < 0.5
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


def test_no_better_than_an_early_stop_is_said(outputs: Path) -> None:
    """A learning rate that is a fifth is a training that is stopped early."""
    (line,) = judged(outputs, "optim.lr=0.0006").lines
    assert line.price is not None
    assert line.price.value > 1.1
    assert line.stopped is not None
    assert line.undefended is not None
    assert 0.1 < line.stopped < line.undefended
    assert line.defended == pytest.approx(line.stopped, abs=0.2)


def test_a_broken_training_is_flagged(outputs: Path) -> None:
    frozen = ("distill.frozen=[layer1,layer2]", "optim.lr=1e-6", "mitigation=critical_period")
    broken = judged(outputs, *frozen)
    (line,) = broken.lines
    assert any(flag.startswith("loss did not fall (6 of 6") for flag in line.flags)
    assert any(flag.startswith("gradient is masked") for flag in line.flags)
    assert any(flag.startswith("defence is inactive in ") for flag in line.flags)
    assert "flags in reference" in broken.headline()


def test_the_skill_that_is_wanted_is_shown(outputs: Path) -> None:
    (line,) = judged(outputs, "mitigation=liminal", settings=("two_skills",)).lines
    assert line.skill_kept is not None
    assert 0.5 < line.skill_kept < 1.2


@pytest.fixture
def menu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A menu of one's own, searched with a small budget."""
    monkeypatch.setattr(attack, "FIRST", "0-1")
    monkeypatch.setattr(attack, "ALL", "0-2")
    (tmp_path / "threat").mkdir()
    (tmp_path / "threat" / "hunt.yaml").write_text(
        "# @package _global_\nthreat:\n  name: hunt\n  order: 50\n  asks: worse?\n"
        "  attack: true\n  menu:\n    wide: [model.aux=60]\n    faint: [optim.lr=1e-5]\n"
        "    poor: [teacher.epochs=1]\n    clash: [distill.epochs=3]\n"
        "defaults:\n  - override /probe: 'off'\n"
    )
    return tmp_path


@pytest.mark.slow
def test_the_search_finds_the_worst_and_it_is_judged(outputs: Path, menu: Path) -> None:
    defence = of(outputs, "mitigation=liminal", "distill.epochs=21", config_dir=menu)
    settings = battery(defence, ["reference", "hunt"])
    card = judge(defence, settings, Console(), full=True, track="blind")
    assert card.search is not None
    reasons = {one.name: one.reason for one in card.search.attempts}
    assert reasons["clash"] == "the defence changes distill.epochs, which this setting sets"
    assert "not within 0.01" in reasons["poor"]
    assert {one.name: one.seeds for one in card.search.attempts} == {
        "plain": 3,
        "wide": 3,
        "faint": 3,
        "poor": 2,
        "clash": 0,
    }
    assert card.search.worst is not None
    assert card.search.worst.name == "wide"
    plain, hunted = card.lines
    assert (hunted.setting, hunted.word) != ("hunt", "void")
    assert "found wide (model.aux=60)" in hunted.reason
    assert hunted.leak is not None
    assert plain.leak is not None
    assert (hunted.defended or 0) > (plain.defended or 1)
    runs = {run: (run / store.MARKER).stat().st_mtime_ns for run in store.finished_runs(outputs)}
    assert attack.search(defence, settings[1], Console()) == card.search
    assert runs == {
        run: (run / store.MARKER).stat().st_mtime_ns for run in store.finished_runs(outputs)
    }


def test_an_adaptive_teacher_is_an_attack_or_void(outputs: Path) -> None:
    defence = of(outputs)
    card = judge(defence, battery(defence, ["adaptive"]), Console(), full=True, track="blind")
    (line,) = card.lines
    attacks = line.word != "void"
    assert line.reason.startswith("an attack: " if attacks else "no attack: ")
    assert "against" in line.reason
    assert "it decides nothing" in card.headline() or not card.judged


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
        return train_config(cfg, condition, console)

    monkeypatch.setattr(trial, "run_job", stops)
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


def test_the_plan_counts_what_there_is(outputs: Path) -> None:
    judged(outputs, "mitigation=liminal")
    (known,) = planned(battery(of(outputs, "mitigation=liminal"), ["reference"]))
    assert {name: (p.runs, p.missing) for name, p in known.parts.items()} == dict.fromkeys(
        ("undefended", "null", "defended"), (6, 0)
    )
    rows = planned(battery(of(outputs, "mitigation=liminal", seed="0-7"), ["reference"]))
    parts = rows[0].parts
    assert {name: part.missing for name, part in parts.items()} == dict.fromkeys(parts, 2)
    students = 2 * 20 * 640 / 1e6
    teachers = 2 * 20 * 320 / 1e6  # trained once, for the undefended
    passes = [part.passes for part in parts.values()]
    assert passes == pytest.approx([students + teachers, students, students])
    assert (estimate(rows) or 0) > 0
    summaries = [store.read_summary(run) for run in finished(battery(of(outputs), ["reference"]))]
    undefended = [s["seconds"]["student"] / s["stack"] for s in summaries[:6]]
    per_million = sum(undefended) / 6 / (20 * 640 / 1e6)
    assert parts["undefended"].seconds == pytest.approx(per_million)


def test_the_command_prints_plan_verdict_and_files(
    outputs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Defence, "of", classmethod(lambda *_: of(outputs, seed="0-2")))
    assert main(["threat=reference", "--plan"]) == 2  # three seeds, and no first look
    assert main(["threat=reference", "--quick", "--plan"]) == 0
    assert "3 kept" in capsys.readouterr().err
    assert main(["threat=reference", "--quick", "tracker=none"]) == 0
    told = capsys.readouterr()
    assert "no effect (blind)" in told.out
    assert "a first look: it decides nothing" in told.out
    assert "0 to train." in told.err
    assert "scorecard.md" in told.err.strip().splitlines()[-1]
    (page,) = (outputs / "judge" / "scorecards").glob("*/scorecard.md")
    assert page.parent.name == "none-reference-quick"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["mitigation=bogus"], "Could not find 'mitigation/bogus'"),
        (["model.aux=9"], "a defence may not touch model"),
        (["--threat", "bogus"], "no such setting"),
        (["--bogus"], "no such option"),
        (["threat=bogus"], "no such setting"),
        (["teacher=adaptive"], "a defence may not touch model, teacher"),
        (["--track", "deaf", "--threat", "reference"], "one of blind, aware"),
        (
            ["mitigation=projection", "--track", "blind", "--threat", "reference"],
            "which that track does not give",
        ),
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
