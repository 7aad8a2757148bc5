"""Defences whose verdicts are known, judged on a small data set where the trait leaks."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import small

from subliminal import store
from subliminal.errors import UserError
from subliminal.judge import attack, cli, trial
from subliminal.judge.__main__ import main
from subliminal.judge.battery import Defence, Setting, _compose, battery
from subliminal.judge.cost import estimate, planned
from subliminal.judge.entries import Entry
from subliminal.judge.evaluation import judge
from subliminal.judge.scorecard import FILE, Line, Scorecard, write
from subliminal.judge.trait_access import track_of
from subliminal.sweep.console import Console
from subliminal.sweep.engine import run_job
from subliminal.training.job import Job

Judged = Callable[..., Any]  # a Scorecard, whose optional numbers are there


def of(
    outputs: Path, *overrides: str, seed: str = "0-5", config_dir: Path | None = None
) -> Defence:
    engine = ("engine.workers=1", "engine.seeds_at_once=8")
    own = (*small.LEAKING, *engine, f"outputs={outputs}", f"seed={seed}")
    return Defence(overrides, own, config_dir)


def judge_anew(outputs: Path, *overrides: str, settings: tuple[str, ...]) -> Scorecard:
    defence = of(outputs, *overrides)
    tried = battery(defence, settings)
    return judge(defence, tried, Console(), full=True, track=track_of(tried))


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared by all defences, as undefended runs, null runs and teachers are."""
    return tmp_path_factory.mktemp("judge") / "outputs"


@pytest.fixture(scope="module")
def judged(outputs: Path) -> Judged:
    """Judges a defence in settings, each once."""

    @cache
    def card(*overrides: str, settings: tuple[str, ...] = ("reference",)) -> Scorecard:
        return judge_anew(outputs, *overrides, settings=settings)

    return card


@pytest.mark.parametrize(
    ("defence", "verdict", "track", "leak"),
    [
        ([], "no effect", "blind", (0.9, 1.1)),
        (["mitigation=liminal"], "reduces", "blind", (-0.5, 1)),
        (["mitigation=random_projection"], "no effect", "aware", (0.9, 1.1)),  # a sham: must fail
        (["mitigation=update_projection"], None, "aware", (-0.5, 0.5)),
    ],
)
def test_known_defences(
    judged: Judged, defence: list[str], verdict: str | None, track: str, leak: tuple[float, float]
) -> None:
    card = judged(*defence)
    (line,) = card.lines
    assert card.track == track
    assert verdict is None or card.verdict == verdict
    assert leak[0] <= line.leak.value <= leak[1]
    assert line.readout_leak is not None
    assert line.undefended - line.null > 0.3
    if verdict == "reduces":
        assert line.leak.high < 1
        assert 0 < line.detects < 0.5


def test_a_control_leaks_nothing_and_void_settings_say_why(judged: Judged) -> None:
    names = ("reference", "independent", "heads_only")
    card = judged("distill/init=layers", "distill.init.own=[layer1]", settings=names)
    assert [line.word for line in card.controls] == ["no effect"]
    void = {line.setting: line.reason for line in card.lines if line.word == "void"}
    assert void == {"heads_only": "the defence changes distill.init.own, which this setting sets"}
    assert len(card.judged) == 1


def test_a_fifth_of_the_learning_rate_is_no_better_than_an_early_stop(judged: Judged) -> None:
    (line,) = judged("optim.lr=0.0006").lines
    assert line.price.value > 1.1
    assert 0.1 < line.stopped < line.undefended
    assert line.defended == pytest.approx(line.stopped, abs=0.2)


def test_a_broken_training_is_flagged(judged: Judged) -> None:
    frozen = ("distill.frozen=[layer1,layer2]", "optim.lr=1e-6", "mitigation=critical_period")
    card = judged(*frozen)
    flags = card.lines[0].flags
    for start in ("loss did not fall (6 of 6", "gradient is masked", "defence is inactive in "):
        assert any(flag.startswith(start) for flag in flags), start
    assert "flags in reference" in card.headline()


def test_the_wanted_skill_is_measured(judged: Judged) -> None:
    (line,) = judged("mitigation=liminal", settings=("two_skills",)).lines
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


def markers(folder: Path) -> dict[Path, int]:
    """Return when each run was finished."""
    return {run: (run / store.MARKER).stat().st_mtime_ns for run in store.finished_runs(folder)}


@pytest.mark.slow
def test_the_search_finds_the_worst_and_it_is_judged(outputs: Path, menu: Path) -> None:
    defence = of(outputs, "mitigation=liminal", "distill.epochs=21", config_dir=menu)
    settings = battery(defence, ["reference", "hunt"])
    card: Any = judge(defence, settings, Console(), full=True, track="blind")
    reasons = {one.name: one.reason for one in card.search.attempts}
    assert reasons["clash"] == "the defence changes distill.epochs, which this setting sets"
    assert "not within 0.01" in reasons["poor"]
    seeds = {one.name: one.seeds for one in card.search.attempts}
    assert seeds == {"plain": 3, "wide": 3, "faint": 3, "poor": 2, "clash": 0}
    assert card.search.worst.name == "wide"
    plain, hunted = card.lines
    assert (hunted.setting, hunted.word) != ("hunt", "void")
    assert "found wide (model.aux=60)" in hunted.reason
    assert None not in (hunted.leak, plain.leak)
    assert hunted.defended > plain.defended
    before = markers(outputs / "judge")
    assert attack.search(defence, settings[1], Console()) == card.search
    assert markers(outputs / "judge") == before


def test_an_adaptive_teacher_is_an_attack_or_void(judged: Judged) -> None:
    card = judged(settings=("adaptive",))
    (line,) = card.lines
    assert line.reason.startswith("no attack: " if line.word == "void" else "an attack: ")
    assert "against" in line.reason
    assert "it decides nothing" in card.headline() or not card.judged


def test_undefended_runs_are_trained_once(judged: Judged, outputs: Path) -> None:
    judged()
    before = markers(outputs / "judge")
    judged("mitigation=anchor")
    assert before.items() < markers(outputs / "judge").items()


def test_an_interrupted_battery_resumes_to_the_same_scorecard(
    judged: Judged, outputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = judged("mitigation=liminal")
    copied = tmp_path / "outputs"
    shutil.copytree(outputs, copied)
    for condition in ("threat=reference,mitigation=liminal", "threat=reference-"):
        (folder,) = (copied / "judge").glob(f"{condition}*")
        for seed in (0, 1):
            shutil.rmtree(store.run_dir(folder, seed))
    trained: list[str] = []

    def stops(job: Job, console: Console) -> list[Path]:
        if "liminal" in job.condition:
            raise KeyboardInterrupt
        trained.append(job.condition)
        return run_job(job, console)

    with monkeypatch.context() as patched:
        patched.setattr(trial, "run_job", stops)
        with pytest.raises(KeyboardInterrupt):
            judge_anew(copied, "mitigation=liminal", settings=("reference",))
    assert trained == ["threat=reference"]
    again = judge_anew(copied, "mitigation=liminal", settings=("reference",))
    assert [replace(line, seconds=None) for line in again.lines] == [
        replace(line, seconds=None) for line in whole.lines
    ]


def test_the_plan_counts_finished_and_missing_runs(judged: Judged, outputs: Path) -> None:
    judged("mitigation=liminal")
    settings = battery(of(outputs, "mitigation=liminal"), ["reference"])
    (known,) = planned(settings)
    assert {name: (p.runs, p.missing) for name, p in known.parts.items()} == dict.fromkeys(
        ("undefended", "null", "defended"), (6, 0)
    )
    plans = planned(battery(of(outputs, "mitigation=liminal", seed="0-7"), ["reference"]))
    parts = plans[0].parts
    assert {name: part.missing for name, part in parts.items()} == dict.fromkeys(parts, 2)
    students = 2 * 12 * 640 / 1e6
    teachers = 2 * 12 * 320 / 1e6  # trained once, for the undefended
    passes = [part.passes for part in parts.values()]
    assert passes == pytest.approx([students + teachers, students, students])
    assert estimate(plans) > 0
    summaries = [store.read_summary(run) for run in trial.finished(settings[0].undefended)]
    undefended = [s["seconds"]["student"] / s["stack"] for s in summaries]
    per_million = sum(undefended) / 6 / (12 * 640 / 1e6)
    assert parts["undefended"].seconds == pytest.approx(per_million)


def test_the_command_prints_plan_verdict_and_files(
    judged: Judged,
    outputs: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judged()
    monkeypatch.setattr(Defence, "of", classmethod(lambda *_: of(outputs, seed="0-2")))
    assert main(["threat=reference", "--plan"]) == 2  # three seeds, and no first look
    assert "3 seeds: the judge needs at least 6; see --quick" in capsys.readouterr().err
    assert main(["threat=reference", "--quick", "--plan"]) == 0
    assert "3 kept" in capsys.readouterr().err
    assert main(["threat=reference", "--quick", "tracker=none"]) == 0
    output = capsys.readouterr()
    assert "no effect (blind)" in output.out
    assert "a first look: it decides nothing" in output.out
    assert "0 to train." in output.err
    assert "scorecard.md" in output.err.strip().splitlines()[-1]
    assert (outputs / "judge/scorecards/none-reference-quick/scorecard.md").is_file()
    card = outputs / "judge/scorecards/none-reference-quick/scorecard.md"
    card.unlink()
    monkeypatch.setattr("subliminal.judge.scorecard.show", None)  # cannot be called
    with pytest.raises(TypeError):
        main(["threat=reference", "--quick", "tracker=none"])
    assert card.is_file()  # results are written before they are shown
    defence = of(outputs, seed="0-4")
    with pytest.raises(UserError, match="5 seeds: the judge needs at least 6; see --quick"):
        judge(defence, battery(defence, ["reference"]), Console(), track="blind")


def test_entries_are_judged_once(
    judged: Judged,
    outputs: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    judged()
    monkeypatch.setenv("WANDB_MODE", "disabled")
    whole = "subliminal.judge.battery.names"
    monkeypatch.setattr(whole, lambda *_, **__: ["reference"])
    monkeypatch.setattr(
        cli, "battery", lambda one: battery(of(outputs, *one.overrides), ["reference"])
    )
    entry = Entry("none", (), "ours", "Nothing.", "blind", 0, False)
    bad = replace(entry, name="bad", overrides=("mitigation=bogus",))
    liar = replace(entry, name="liar", track="aware")
    failed = cli.judge_all([bad, entry, liar], [], None, Console())
    assert list(failed) == ["bad", "liar"]
    assert "its track is blind" in failed["liar"]
    card = outputs / "judge" / "scorecards" / "none" / FILE
    assert json.loads(card.read_text())["verdict"] == "no effect"
    before = card.stat().st_mtime_ns
    assert cli.judge_all([entry], [], None, Console()) == {}
    assert card.stat().st_mtime_ns == before
    assert "Entry 2 of 3: none" in capfd.readouterr().err

    judgements: list[Setting] = []

    def judge_nothing(_: Defence, settings: list[Setting], *__: object, **___: object) -> Scorecard:
        judgements.extend(settings)
        return Scorecard((), "blind", (0,), (), (), ())

    monkeypatch.setattr(cli, "judge", judge_nothing)
    monkeypatch.setattr(cli, "_keep", lambda *_: None)
    cli.judge_all([replace(entry, overrides=("mitigation=anchor",))], [], None, Console())
    assert len(judgements) == 1  # another defence by that name
    for damage in ("{", "[]", json.dumps(json.loads(card.read_text()) | {"seeds": [1]})):
        card.write_text(damage)
        cli.judge_all([entry], [], None, Console())
    assert len(judgements) == 4


@pytest.mark.parametrize("changed", ["threat", "mitigation"])
def test_a_card_counts_while_its_conditions_are_todays(tmp_path: Path, changed: str) -> None:
    """The same overrides, and other values in the files behind them."""
    files = {
        "threat": "# @package _global_\nthreat: {name: mine, order: 1, asks: '?'}\n"
        "distill: {loss: {temperature: 4.0}}\n",
        "mitigation": "# @package mitigation.mine\n_target_: subliminal.mitigations.l1.L1\n"
        "strength: 0.4\n",
    }
    for group, text in files.items():
        (tmp_path / group).mkdir()
        (tmp_path / group / "mine.yaml").write_text(text)
    defence = of(tmp_path / "outputs", "mitigation=mine", config_dir=tmp_path)
    lines = (Line("mine", "?", "reduces"),)
    tried = battery(defence, ["mine"])
    card = Scorecard(defence.overrides, "blind", tuple(range(6)), lines, (), ())
    folder = write(card, tmp_path / "card")
    assert not cli._is_judged(folder, defence, tried)  # of an older version, without hashes
    write(replace(card, conditions={one.name: one.hashes for one in tried}), folder)
    assert {*tried[0].hashes} == {"undefended", "null", "defended"}
    assert cli._is_judged(folder, defence, tried)
    (tmp_path / changed / "mine.yaml").write_text(files[changed].replace("4", "5"))
    _compose.cache_clear()  # as in another command
    assert not cli._is_judged(folder, defence, battery(defence, ["mine"]))
