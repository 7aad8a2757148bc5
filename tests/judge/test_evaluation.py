"""The way of a battery: what is tried, resumed, kept and shown, on a small data set."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from judging import Judged, Of

from subliminal import store
from subliminal.errors import UserError
from subliminal.judge import attack, cli, evaluation, scorecard, trial
from subliminal.judge.__main__ import main
from subliminal.judge.battery import Defence, Setting, _compose, battery
from subliminal.judge.cost import estimate, planned
from subliminal.judge.dial import FILE as DIAL
from subliminal.judge.entries import Entry
from subliminal.judge.evaluation import judge, secret_seeds
from subliminal.judge.lines import Facts, Line
from subliminal.judge.measure import finished
from subliminal.judge.rooms import Rooms
from subliminal.judge.scorecard import FILE, Scorecard, recomputed, write
from subliminal.sweep.console import Console
from subliminal.sweep.engine import run_job
from subliminal.training.job import Job

ONE = ("reference",)


def markers(folder: Path) -> dict[Path, int]:
    """Return when each run was finished."""
    return {run: (run / store.MARKER).stat().st_mtime_ns for run in store.finished_runs(folder)}


def test_a_blind_student_is_the_one_that_ordinary_training_makes(judged: Judged, of: Of) -> None:
    """Bit by bit, though it has no digits; and its run tells nothing of the trait."""
    judged("mitigation=liminal")
    (setting,) = battery(of("mitigation=liminal", seed="0-1"), ONE)
    jobs = trial.defended_jobs(setting, Rooms(), track="blind")
    assert trial.train(setting.defended) == ""  # type: ignore[arg-type]
    (ours, _), (theirs, _) = finished(jobs["defended"]), finished(setting.defended)  # type: ignore[arg-type]
    assert ours != theirs
    blind, usual = map(store.read_student, (ours, theirs))
    assert all((blind[name] == usual[name]).all() for name in usual)
    logged = store.read_summary(ours)["results"]["trait/accuracy"]
    assert logged != logged


def test_controls_and_clashes_are_not_shown(judged: Judged) -> None:
    names = ("reference", "independent", "heads_only")
    card = judged("distill/init=layers", "distill.init.own=[layer1]", settings=names)
    lines = {line.setting: line for line in card.lines}
    assert lines["independent"].reason == "nothing leaks, as it should"
    assert (
        lines["heads_only"].reason
        == "the defence changes distill.init.own, which this setting sets"
    )
    assert {line.setting for line in card.shown} <= {"reference"}
    assert "independent" not in card.headline()  # a control is not counted


def test_a_shift_is_bounded_and_its_null_shows_none(judged: Judged) -> None:
    (line,) = judged("mitigation=anchor", settings=("steered",)).lines
    assert set(line.by_way) <= {"shift"}
    assert abs(line.traits["undefended_null"]) < 0.3 < line.traits["undefended"] <= 1
    assert line.kept is not None


def test_the_wanted_skill_has_an_interval(judged: Judged) -> None:
    (line,) = judged("mitigation=liminal", settings=("two_skills",)).lines
    assert line.skill_kept is not None
    assert 0.5 < line.skill_kept.low < line.skill_kept.high < 1.2


def test_an_adaptive_teacher_is_an_attack_or_not_shown(judged: Judged) -> None:
    card = judged(settings=("adaptive",))
    adaptive = next(fact for fact in card.facts if fact.setting == "adaptive")
    assert adaptive.note.split(":")[0] in ("an attack", "no attack")
    assert "against" in adaptive.note


@pytest.mark.slow
def test_the_search_finds_the_worst_and_it_is_judged(
    of: Of, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attack, "FIRST", "0-1")
    monkeypatch.setattr(attack, "ALL", "0-2")
    (tmp_path / "threat").mkdir()
    (tmp_path / "threat" / "hunt.yaml").write_text(
        "# @package _global_\nthreat:\n  name: hunt\n  order: 50\n  asks: worse?\n"
        "  attack: true\n  menu:\n    wide: [model.aux=60]\n    faint: [optim.lr=1e-5]\n"
        "    poor: [teacher.epochs=1]\n    clash: [distill.epochs=3]\n"
        "defaults:\n  - override /probe: 'off'\n"
    )
    defence = of("mitigation=liminal", "distill.epochs=21", config_dir=tmp_path)
    settings = battery(defence, ["reference", "hunt"])
    card: Any = judge(defence, settings, Rooms(), Console(), full=True, track="blind")
    reasons = {one.name: one.reason for one in card.search.attempts}
    assert reasons["clash"] == "the defence changes distill.epochs, which this setting sets"
    assert "more than 0.01 below" in reasons["poor"]
    assert card.search.worst.name == "wide"
    plain, hunted = card.lines
    assert "found wide (model.aux=60)" in hunted.reason
    assert hunted.traits["defended"] > plain.traits["defended"]
    again = recomputed(write(card, tmp_path / "card", "") / FILE)
    assert (again.headline(), again.search) == (card.headline(), card.search)


def test_undefended_runs_are_trained_once(judged: Judged, outputs: Path) -> None:
    judged()
    before = markers(outputs / "judge")
    judged("mitigation=anchor")
    assert before.items() <= markers(outputs / "judge").items()


def test_an_interrupted_battery_resumes_to_the_same_scorecard(
    judged: Judged, of: Of, outputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = judged("mitigation=liminal")
    copied = tmp_path / "outputs"
    shutil.copytree(outputs, copied)
    for folder in (*copied.glob("judge-blind/*liminal*"), *copied.glob("judge/threat=reference-*")):
        shutil.rmtree(store.run_dir(folder, 0))
    trained: list[str] = []

    def stops(job: Job, console: Console) -> list[Path]:
        if "liminal" in job.condition:
            raise KeyboardInterrupt
        trained.append(job.condition)
        return run_job(job, console)

    defence = of("mitigation=liminal", folder=copied)
    settings = battery(defence, ONE)
    monkeypatch.setattr(evaluation.Evaluation, "add_secret", lambda _: None)
    with monkeypatch.context() as patched:
        patched.setattr(trial, "run_job", stops)
        with pytest.raises(KeyboardInterrupt):
            judge(defence, settings, Rooms(), Console(), full=True, track="blind")
    assert trained == ["threat=reference"]
    again = judge(defence, settings, Rooms(), Console(), full=True, track="blind")
    assert [replace(line, seconds=None) for line in again.lines] == [
        replace(line, seconds=None) for line in whole.lines
    ]


def test_a_card_is_made_again_of_its_file_of_seeds(
    judged: Judged, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = judged("mitigation=liminal")
    folder = write(card, tmp_path / "card", "page")
    again = recomputed(folder / FILE)
    assert (again.lines, again.headline()) == (card.lines, card.headline())
    assert main(["--recompute", str(folder / FILE)]) == 0
    assert "The headline is that of" in capsys.readouterr().err
    seeds = pl.read_parquet(folder / scorecard.SEEDS)
    seeds.with_columns(pl.col("class logits") * 0).write_parquet(folder / scorecard.SEEDS)
    assert main(["--recompute", str(folder / FILE)]) == 1
    assert "The headline is NOT that of" in capsys.readouterr().err
    old = json.loads((folder / FILE).read_text()) | {"version": 1}
    (folder / FILE).write_text(json.dumps(old))
    with pytest.raises(UserError, match="no scorecard of this judge"):
        recomputed(folder / FILE)


def test_secret_seeds_follow_from_the_content(of: Of, tmp_path: Path) -> None:
    ours = secret_seeds(of("mitigation=liminal"))
    assert len(ours) == 6
    assert ours == secret_seeds(of("mitigation=liminal", seed="5"))
    assert ours != secret_seeds(of("mitigation=anchor"))
    assert sum(seed < 9000 for seed in ours) == 3
    (tmp_path / "mine.yaml").write_text("a")
    mine = secret_seeds(of("mitigation=liminal", config_dir=tmp_path))
    (tmp_path / "mine.yaml").write_text("b")
    assert len({ours, mine, secret_seeds(of("mitigation=liminal", config_dir=tmp_path))}) == 3


def test_a_defence_that_halves_nothing_is_tried_no_further(
    judged: Judged, of: Of, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged()
    monkeypatch.setattr(evaluation, "SCREEN", 1)
    defence = of()
    settings = battery(defence, ["reference", "wide_channel"])
    card = judge(defence, settings, Rooms(), Console(), track="blind")
    assert card.screened
    assert card.left_out[0] == "wide_channel"
    assert [line.setting for line in card.lines] == ["reference"]


@pytest.mark.parametrize(
    ("word", "ends"),
    [("reduces", False), ("undecided", False), ("little effect", True), ("no effect", True)],
)
def test_a_word_that_no_other_setting_can_mend_ends_it(word: str, ends: bool) -> None:
    lines = (Line("reference", "", word, ""),)
    assert evaluation.settled(Scorecard((), "blind", lines, (), pl.DataFrame())) is ends


def test_the_plan_counts_finished_and_missing_runs(judged: Judged, of: Of) -> None:
    judged("mitigation=liminal")
    plans = planned(battery(of("mitigation=liminal", seed="0-9"), ONE))
    parts = plans[0].parts
    missing = {name: part.missing for name, part in parts.items()}
    assert missing["undefended"] == missing["undefended_null"] == 2
    students, teachers = 2 * 12 * 640 / 1e6, 2 * 12 * 320 / 1e6  # trained once, for the undefended
    passes = [parts[name].passes for name in ("undefended", "undefended_null")]
    assert passes == pytest.approx([students + teachers, students])
    new = planned(battery(of("mitigation=liminal", seed="100-109"), ONE))
    assert estimate(new) > 0  # of a rate that is measured


def test_the_command_prints_plan_words_and_files(
    judged: Judged,
    of: Of,
    outputs: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judged()
    monkeypatch.setattr(Defence, "of", classmethod(lambda *_: of(seed="0-2")))
    assert main(["threat=reference", "--plan"]) == 2  # three seeds, and no first look
    assert "3 seeds: the judge needs at least 6; see --quick" in capsys.readouterr().err
    assert main(["threat=reference", "--quick", "--plan"]) == 0
    assert "6 kept" in capsys.readouterr().err
    assert main(["threat=reference", "--quick", "tracker=none"]) == 0
    output = capsys.readouterr()
    assert "no effect, keeps (blind)" in " ".join(output.out.split())
    assert "a first look: it decides nothing" in " ".join(output.out.split())
    assert max(map(len, output.out.splitlines())) <= 100
    assert "0 to train." in output.err
    card = outputs / "judge/scorecards/none-reference-quick/scorecard.md"
    card.unlink()
    monkeypatch.setattr("subliminal.judge.show.show", None)  # cannot be called
    with pytest.raises(TypeError):
        main(["threat=reference", "--quick", "tracker=none"])
    assert card.is_file()  # results are written before they are shown


def test_entries_are_judged_once_and_their_dials_are_turned(
    judged: Judged,
    of: Of,
    outputs: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    judged()
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.setattr("subliminal.judge.battery.names", lambda *_, **__: [*ONE])
    monkeypatch.setattr(cli, "battery", lambda one, _: battery(of(*one.overrides), ONE))
    monkeypatch.setattr(evaluation.Evaluation, "add_secret", lambda _: None)
    of_file: Any = {"source": "ours", "claim": "Nothing.", "track": "blind", "trials": 0}
    entry = Entry(name="none", defence=[], **of_file)
    bad = replace(entry, name="bad", defence=["mitigation=bogus"])
    liar = replace(entry, name="liar", track="aware", defence=["mitigation=liminal"])
    failed = cli.judge_all([bad, entry, liar], [], None, Console())
    assert list(failed) == ["bad", "liar"]
    assert "its track is blind" in failed["liar"]
    card = outputs / "judge" / "scorecards" / "none" / FILE
    assert json.loads(card.read_text())["leak"] == "no effect"
    before = card.stat().st_mtime_ns
    assert cli.judge_all([entry], [], None, Console()) == {}
    assert card.stat().st_mtime_ns == before
    assert cli.judge_all([entry], ["seed=0-7"], None, Console(), ["reference"]) == {}
    assert (card.parent.parent / "none-reference-seed=0-7" / FILE).is_file()
    assert "Entry 2 of 3: none" in capfd.readouterr().err

    judgements: list[Setting] = []

    def judge_nothing(_: Defence, settings: list[Setting], *__: object, **___: object) -> Scorecard:
        judgements.extend(settings)
        return Scorecard((), "blind", (), (), pl.DataFrame())

    monkeypatch.setattr(cli, "judge", judge_nothing)
    monkeypatch.setattr(cli, "_keep", lambda *_: None)
    for damage in ("{", "[]", json.dumps(json.loads(card.read_text()) | {"seeds": [1]})):
        card.write_text(damage)
        cli.judge_all([entry], [], None, Console())
    assert len(judgements) == 3
    monkeypatch.setattr("subliminal.judge.dial.DEVELOPMENT", "0-7")
    strength = "mitigation.anchor.strength"
    dial = replace(entry, name="anchor", defence=["mitigation=anchor"], dial={strength: [1.0]})
    monkeypatch.setattr(Defence, "of", classmethod(lambda _, words, *__: of(*words)))
    assert cli.judge_all([dial], [], None, Console()) == {}
    turned = json.loads((outputs / "judge" / "scorecards" / "anchor" / DIAL).read_text())
    assert turned["chosen"] is None
    assert "does not pass 0.95" in turned["summary"]


@pytest.mark.parametrize("changed", ["threat", "mitigation"])
def test_a_card_counts_while_its_conditions_are_todays(
    of: Of, tmp_path: Path, changed: str
) -> None:
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
    defence = of("mitigation=mine", folder=tmp_path / "outputs", config_dir=tmp_path)
    tried = battery(defence, ["mine"])
    table = pl.DataFrame({"setting": ["mine"] * 8, "seed": [*range(8)]})
    lines, facts = (Line("mine", "?", "reduces"),), Facts("mine", "?")
    card = Scorecard(defence.overrides, "blind", lines, (facts,), table)
    folder = write(card, tmp_path / "card", "")
    assert cli._is_judged(folder, defence, tried)
    write(replace(card, facts=(replace(facts, conditions=tried[0].hashes),)), folder, "")
    assert cli._is_judged(folder, defence, tried)
    (tmp_path / changed / "mine.yaml").write_text(files[changed].replace("4", "5"))
    _compose.cache_clear()  # as in another command
    assert not cli._is_judged(folder, defence, battery(defence, ["mine"]))
