"""What a scorecard shows: on the terminal, as Markdown, as JSON and to W&B."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console as Rich
from wandb_reader import records

from subliminal import store
from subliminal.judge.attack import Attempt, Search
from subliminal.judge.leak import Interval
from subliminal.judge.scorecard import Line, Scorecard, log_scorecard, show, write
from subliminal.trackers import aside

LINE = Line(
    "reference",
    "baseline",
    "reduces",
    leak=Interval(0.5, 0.4, 0.6),
    price=Interval(1.5, 1.4, 1.6),
    undefended=0.6,
    defended=0.35,
    null=0.1,
    stopped=0.3,
    skill_kept=0.98,
    detects=0.07,
    flags=("loss did not fall (2 of 6 seeds)", "no better than stopping early"),
)
FOUND = Attempt("wide", ("model.aux=100",), 10, 0.9, 0.94)
CARD = Scorecard(
    defence=("mitigation=liminal",),
    track="blind",
    seeds=(0, 1, 2, 3, 4, 5),
    lines=(LINE, replace(LINE, setting="a|b", detects=0.2, flags=())),
    controls=(Line("independent", "none?", "no effect", "nothing leaks"),),
    left_out=("perlin",),
    search=Search((Attempt("plain", (), 10, 0.5, 0.94), FOUND), FOUND),
)
SHOWN = (
    "loss did not fall (2 of 6 seeds); no better than stopping early",
    "flags in reference",
    "±0.07",
    "0.980",
    "0.600 / 0.300 / 0.350 / 0.100",
    "6 paired seeds show a change of the leak, with 80% power at 5%, from 0.07 on in reference",
    "found wide (model.aux=100)",
    "Not tried: perlin.",
)


def test_it_is_the_same_on_the_terminal_and_as_markdown(tmp_path: Path) -> None:
    stream = io.StringIO()
    show(CARD, Rich(file=stream, width=400, markup=False))
    page = (write(CARD, tmp_path / "card") / "scorecard.md").read_text()
    for text in SHOWN:
        assert text in stream.getvalue()
        assert text in page
    for text in ("# `mitigation=liminal`", "| reference | reduces |", r"| a\|b | reduces |"):
        assert text in page
    assert "it decides nothing" not in page


def test_the_power_names_each_setting_once_and_a_first_look_decides_nothing() -> None:
    card = replace(CARD, tentative="a first look")
    assert card.headline().endswith("; a first look: it decides nothing")
    assert json.loads(card.to_json())["final"] is False
    assert CARD.power().endswith("from 0.07 on in reference and from 0.20 on in a|b.")
    assert replace(CARD, lines=(LINE,)).power().endswith("5%, from 0.07 on in reference.")


def test_json_has_all_of_it(tmp_path: Path) -> None:
    read = json.loads((write(CARD, tmp_path) / "scorecard.json").read_text())
    assert read["flags"] == {"reference": list(LINE.flags)}
    assert read["lines"][0]["detects"] == 0.07
    assert read["lines"][0]["stopped"] == 0.3
    assert read["search"]["worst"]["name"] == "wide"
    assert read["power"].startswith("6 paired seeds")
    assert read["seeds"] == [0, 1, 2, 3, 4, 5]
    assert read["environment"]["git_commit"] is not None
    assert (read["final"], read["verdict"], read["track"]) == (True, "reduces", "blind")


TRACKER = {
    "_target_": "subliminal.trackers.wandb.WandB",
    "project": "p",
    "entity": None,
    "mode": "offline",
    "tags": ["judge"],
    "finish_timeout": 20,
}


def test_wandb_gets_one_run(tmp_path: Path) -> None:
    line = log_scorecard(CARD, "mitigation=liminal", tmp_path, TRACKER, [])
    assert line is not None
    assert line.startswith("W&B: scorecard run")
    run_id = line.split()[3]
    # Another scorecard of this defence updates the run.
    kept = tmp_path / "wandb" / "scorecard-mitigation=liminal.txt"
    assert kept.read_text() == f"{run_id}\n"
    (file,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    read = records(file)
    (run,) = [record["run"] for record in read if record["type"] == "run"]
    assert (run["job_type"], run["run_id"]) == ("scorecard", run_id)
    assert run["display_name"] == "mitigation=liminal: scorecard"
    summary: dict[str, object] = {}
    for record in read:
        if record["type"] == "summary":
            summary |= record["summary"]["update"]
    expected = {"verdict": "reduces", "judged": 2, "leak": 0.5, "price": 1.5, "flags": 2}
    assert expected.items() <= summary.items()


def test_wandb_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def log(tracker: object) -> str | None:
        return log_scorecard(CARD, "x", tmp_path, tracker, [])

    assert log(None) is None
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert log(TRACKER | {"mode": "auto"}) is None
    monkeypatch.setenv("WANDB_MODE", "bogus")
    assert "the scorecard's files are complete" in str(log(TRACKER | {"mode": "auto"}))

    def fails(*_: object, **__: object) -> None:
        raise aside.Failed("no end within 45 seconds")

    monkeypatch.setattr(aside, "run_in_subprocess", fails)
    assert "no end within 45 seconds" in str(log(TRACKER))
    assert not list(store.finished_runs(tmp_path))
