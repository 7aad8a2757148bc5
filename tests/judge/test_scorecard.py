"""What a scorecard shows: on the terminal, as Markdown, as JSON and to W&B."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from rich.console import Console as Rich
from wandb_reader import records

from subliminal import store
from subliminal.judge import measure
from subliminal.judge.battery import PARTS
from subliminal.judge.lines import SECRET, Facts, seed_dependence
from subliminal.judge.recovery import LOGITS
from subliminal.judge.scorecard import Scorecard, judged, write
from subliminal.judge.show import WIDTH, log_scorecard, page, show
from subliminal.trackers import aside

NULL = np.array([0.10, 0.11, 0.09, 0.10, 0.12, 0.10, 0.09, 0.11, 0.10, 0.10])
NOISE = np.array([3, -1, 2, -2, 1, -3, 0, 1, -2, 1]) / 1000


def students(setting: str, leak: float, **other: float) -> pl.DataFrame:
    """Return ten students of each part of which `leak` of 0.4 comes through, in two ways."""
    rows = []
    shares = {"undefended": 1.0, "undefended_null": 0.0, "defended": leak, "defended_null": 0.0}
    shares |= {"unrelated": other.get("unrelated", 0.0), "unrelated_null": 0.0}
    for part in PARTS:
        for seed in range(10):
            value = float(NULL[seed] + (0.4 + 2 * NOISE[seed]) * shares[part] + NOISE[seed - 5])
            of_part = part == "defended"
            row = {"setting": setting, "part": part, "seed": seed, LOGITS: value}
            row["readout of layer2"] = value + (other.get("more", 0.0) if of_part else 0.0)
            loss = other.get("loss", 0.2) if of_part else 0.2
            row |= {measure.LOSS: loss + NOISE[seed], measure.START_LOSS: 1.2}
            row |= {measure.SOUND: 1.0, measure.RECORDED: value, measure.SECONDS: 2.0}
            rows.append(row | {measure.AGREEMENT: 0.9, measure.TEACHER: 0.94})
    return pl.DataFrame(rows)


FACTS = [
    Facts("reference", "baseline", flags=("loss did not fall (2 of 6 seeds)",)),
    Facts("a|b", "?"),
    Facts("fashion", "other data", note="its data cannot be had"),
]


def card(*tables: pl.DataFrame, track: str = "blind") -> Scorecard:
    return judged(["mitigation=liminal"], track, FACTS, pl.concat(tables))


CARD = card(students("reference", 0.5), students("a|b", 0.02, more=0.2, loss=0.23))


def test_the_words_are_those_of_the_worst_setting() -> None:
    reference, other, fashion = CARD.lines
    assert (reference.word, reference.utility) == ("reduces", "keeps")
    assert (other.word, other.way, other.utility) == ("hides", "readout of layer2", "keeps")
    assert fashion.word == "not shown"
    assert (CARD.leak, CARD.utility) == ("hides", "keeps")
    assert CARD.kept == pytest.approx(0.97, abs=0.005)
    assert CARD.headline() == (
        f"hides, keeps (blind); at worst, in a|b, {other.leak.format()} of the trait is recovered "  # type: ignore[union-attr]
        "through the readout of layer2; 0.97 or more of the task's gain is kept; 2 of 3 settings "
        "show it, not fashion"
    )


@pytest.mark.parametrize(
    ("unrelated", "word", "least"),
    [(0.0, "reduces", 0.05), (0.45, "reduces", 0.45), (0.55, "blocks", 0.57)],
)
def test_what_unrelated_weights_recover_is_no_leak(
    unrelated: float, word: str, least: float
) -> None:
    (line, *_) = card(students("reference", 0.5, unrelated=unrelated)).lines
    assert line.word == word
    assert line.shows[LOGITS] == pytest.approx(least, abs=0.02)


def test_a_way_that_tells_nothing_of_shared_weights_is_not_shown() -> None:
    (line, *_) = card(students("reference", 0.5, unrelated=0.9)).lines
    assert line.word == "not shown"


def test_it_fits_a_hundred_columns_and_is_the_same_as_markdown(tmp_path: Path) -> None:
    stream = io.StringIO()
    show(CARD, Rich(file=stream, width=WIDTH, markup=False))
    assert max(map(len, stream.getvalue().splitlines())) <= WIDTH
    wide = io.StringIO()
    show(CARD, Rich(file=wide, width=400, markup=False))
    text = page(CARD)
    for said in (
        "hides, keeps (blind)",
        "reference: loss did not fall (2 of 6 seeds)",
        "fashion: its data cannot be had",
        "readout of layer2",
    ):
        assert said in wide.getvalue()
        assert said in text
    assert "# `mitigation=liminal`" in text
    assert r"| a\|b | hides |" in text
    assert "decides nothing" not in text
    read = json.loads((write(CARD, tmp_path, text) / "scorecard.json").read_text())
    assert (read["leak"], read["utility"], read["final"]) == ("hides", "keeps", True)
    assert read["lines"][0]["by_way"][LOGITS]["value"] == pytest.approx(0.5, abs=0.02)
    assert read["environment"]["git_commit"] is not None


def test_nothing_is_shown_where_nothing_leaks() -> None:
    none = card(
        students("reference", 0.0).with_columns(pl.lit(0.1).alias(LOGITS)).drop("readout of layer2")
    )
    assert none.leak == "not shown"
    assert none.headline().startswith("not shown: ")
    tentative = replace(CARD, tentative="a first look")
    assert tentative.headline().endswith("; a first look: it decides nothing")


@pytest.mark.parametrize("track", ["blind", "aware"])
def test_what_cannot_be_judged_is_invalid(track: str) -> None:
    table = students("reference", 0.0)
    part, column = pl.col("part") == "defended", pl.col(measure.SOUND)
    broken = table.with_columns(pl.when(part).then(0.0).otherwise(column).alias(measure.SOUND))
    missing = table.filter(~part | (pl.col("seed") > 1))
    forged = table.with_columns(
        pl.when(part).then(0.5).otherwise(pl.col(measure.RECORDED)).alias(measure.RECORDED)
    )
    for made, why in ((broken, "or huge"), (missing, "2 of 10 defended students failed")):
        assert card(made, track=track).lines[0].word == "invalid"
        assert why in card(made, track=track).lines[0].reason
    assert (card(forged, track=track).leak == "invalid") is (track == "aware")


def test_a_leak_that_depends_on_the_seeds_is_invalid() -> None:
    public, same = students("reference", 0.05), students(SECRET, 0.08)
    other = students(SECRET, 0.6)
    assert seed_dependence(public, same) == ""
    assert seed_dependence(public, other).startswith("depends on the seeds: 0.05 of the trait on")
    assert card(public, other).leak == "invalid"
    assert card(public, same).leak == "blocks"


def test_a_defence_that_needs_no_teacher_to_know_the_trait_is_flagged() -> None:
    knows = students("reference", 0.0).with_columns(
        pl.when(pl.col("part").str.starts_with("defended"))
        .then(pl.col(LOGITS) + 0.3)
        .otherwise(pl.col(LOGITS))
        .alias(LOGITS)
    )
    assert "show the trait too" in card(knows).lines[0].flags[-1]


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
    expected = {"verdict": "hides", "utility": "keeps", "shown": 2, "settings": 3, "flags": 1}
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
