"""The leaderboard's page, made of scorecards that are made up."""

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import leaderboard
import numpy as np
import polars as pl
import pytest
from leaderboard import JudgedEntry
from matplotlib.text import Text

import defences
from subliminal.errors import UserError
from subliminal.judge import dial as dials
from subliminal.judge.battery import Defence, battery
from subliminal.judge.dial import Dial, Point
from subliminal.judge.entries import Entry
from subliminal.judge.fieller import Interval
from subliminal.judge.lines import Facts, Line, leak_word, utility_word
from subliminal.judge.scorecard import Scorecard, write
from subliminal.judge.show import page

SETTINGS = ("reference", "wide_channel", "two_skills", "long", "steered")


def line(setting: str, leak: float, kept: float, word: str) -> Line:
    return Line(
        setting=setting,
        asks="?",
        word=word,
        seeds=30,
        way="readout of layer2",
        leak=Interval(leak, leak - 0.04, leak + 0.05),
        by_way={
            "readout of layer2": Interval(leak, leak - 0.04, leak + 0.05),
            "class logits": Interval(0.01, 0.0, 0.02),
        },
        utility=utility_word(kept),
        kept=Interval(kept, kept, kept),
        skill_kept=Interval(0.97, 0.96, 0.98) if setting == "two_skills" else None,
        traits={"undefended": 0.55},
    )


def entry(name: str, track: str = "blind", source: str = "ours") -> Entry:
    defence, claim = [f"mitigation={name}"], f"{name} helps."
    return Entry(name=name, defence=defence, source=source, claim=claim, track=track, trials=1)


def card(of: Entry, leaks: list[float], kept: list[float], hides: bool = False) -> Scorecard:
    words = [
        "hides" if hides else leak_word(Interval(leak, leak - 0.04, leak + 0.05), 0.05)
        for leak in leaks
    ]
    lines = tuple(line(*row) for row in zip(SETTINGS, leaks, kept, words, strict=False))
    left_out, screened = SETTINGS[len(leaks) :], len(leaks) < len(SETTINGS)
    seeds = range(9000, 9010 if screened else 9030)
    table = pl.DataFrame({"setting": "reference", "seed": [*seeds]})
    made = Scorecard(of.overrides, of.track, lines, (), table)
    return replace(made, left_out=left_out, screened=screened)


CHEAP, LATER = entry("cheap"), entry("later")
MADE = {
    CHEAP: ([0.3, 0.5, 0.4, 0.02, 0.1], [0.99, 0.98, 0.97, 1.0, 0.96]),
    entry("dear"): ([0.01, 0.0, 0.02, 0.03, 0.01], [0.5, 0.1, 0.4, 0.7, 0.6]),
    entry("nothing"): ([0.9, 0.95, 1.0], [1.0, 1.0, 1.0]),
    entry("aware", "aware"): ([0.02, 0.1, 0.03, 0.0, 1.0], [0.99] * 5),
    entry("sham", "aware", "control"): ([1.0, 1.02, 0.98, 1.0, 1.03], [1.0] * 5),
}


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    for of, (leaks, kept) in MADE.items():
        made = card(of, leaks, kept)
        write(made, tmp_path / "outputs" / "judge" / "scorecards" / of.name, page(made))
    points, leak = (Point(1, 0.9, 1.0), Point(2, 0.2, 0.9)), Interval(0.5, 0.4, 0.6)
    dial = Dial("mitigation.cheap.strength", points, dials.at_least(points), "reduces", leak)
    dials.write(dial, tmp_path / "outputs" / "judge" / "scorecards" / "cheap")
    return tmp_path / "outputs"


def test_the_page_says_what_the_scorecards_say(outputs: Path, tmp_path: Path) -> None:
    page = tmp_path / "docs" / "defences.md"
    assert defences.write([outputs], page, [*MADE, LATER]) == ["later"]
    text = page.read_text()
    assert "5 entries were judged, at 10 or 30 seeds: 3 blind and 1 aware" in text
    assert "; 1 were not tried beyond the first settings" in text
    assert "**No blind defence here blocks in every setting shown and keeps the task.**" in text
    assert "dear blocks, and keeps 0.10 of the task's gain." in text
    nearest = "The least leak of a blind defence at V ≥ 0.95: cheap, at most 0.50 [0.46, 0.55], in "
    of = "(of reference, two_skills, wide_channel, which all of these were tried in)"
    assert f"{nearest}wide_channel through the readout of layer2, at V = 0.96 {of}." in text
    assert "The least leak of a blind defence at any V: dear, at most 0.02 [-0.02, 0.07]" in text
    assert "The least leak of an aware defence: aware, at most 1.00" in text
    assert "The control sham: no effect." in text
    rows = [row for row in text.splitlines() if row.startswith("| [")]
    assert [row.split("]")[0][3:] for row in rows] == ["dear", "cheap", "aware", "nothing", "sham"]
    assert "| no effect (screened) | keeps |" in rows[3]
    assert all("| readout of layer2 | 0.01 [0.00, 0.02] |" in row for row in rows)
    assert text.count(": mitigation.cheap.strength=1.414 at V = 0.95: reduces, leak 0.5") == 2
    assert text.index("## Not judged yet") < text.index("`later`")
    for name in ("figures/defences.png", "figures/dials.png", "scorecards/dear.md"):
        assert (page.parent / name).stat().st_size > (10_000 if "figures" in name else 0)
    table = pl.read_parquet(page.parent / "data" / defences.CARDS)
    assert table.filter(entry="dear")["word"].to_list() == ["blocks"] * len(SETTINGS)
    again = page.read_text()
    assert defences.write([], page, [*MADE, LATER]) == ["later"]  # of the scorecards that it keeps
    assert page.read_text() == again


def test_a_card_of_files_that_changed_since_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    liminal, folder = entry("liminal"), tmp_path / "outputs"
    settings = battery(Defence.of(liminal.overrides), ["reference"])
    monkeypatch.setattr(defences, "battery", lambda _: settings)
    facts = (Facts("reference", "?", conditions=settings[0].hashes),)
    made = replace(card(liminal, [0.3] * 5, [0.97] * 5), facts=facts)
    write(made, folder / "judge" / "scorecards" / "liminal", "page")
    page = tmp_path / "defences.md"
    assert defences.write([folder], page, [liminal]) == []
    (page.parent / "data" / defences.CARDS).unlink()
    settings[:] = battery(Defence.of([*liminal.overrides, "optim.lr=0.1"]), ["reference"])
    with pytest.raises(UserError, match="no scorecard of an entry"):
        defences.write([folder], page, [liminal])


@pytest.mark.parametrize("hides", [False, True])
def test_a_defence_that_blocks_and_keeps_is_the_answer_unless_it_hides(
    outputs: Path, tmp_path: Path, hides: bool
) -> None:
    blocking = card(CHEAP, [0.01] * 5, [0.97] * 5, hides)
    write(blocking, outputs / "judge" / "scorecards" / "cheap", "page")
    page = tmp_path / "docs" / "defences.md"
    defences.write([outputs], page, [*MADE])
    found = "**A blind defence that blocks in every setting shown and keeps the task: cheap.**"
    assert (found in page.read_text()) is not hides
    assert ("1 hide the trait from the class logits: cheap." in page.read_text()) is hides


def test_scorecards_of_other_defences_and_quick_looks_are_not_shown(
    outputs: Path, tmp_path: Path
) -> None:
    other = replace(entry("cheap"), defence=["mitigation=other"])
    with pytest.raises(UserError, match="no scorecard of an entry"):
        defences.write([outputs], tmp_path / "docs" / "defences.md", [other])


def test_labels_do_not_cover_each_other(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    places = []
    for number in range(40):
        of = entry(f"defence_{number}", "blind" if number % 4 else "aware")
        leaks, kept = (generator.uniform(0, 1, 5).tolist() for _ in range(2))
        write(card(of, leaks, kept), tmp_path / of.name, "page")
        made = json.loads((tmp_path / of.name / "scorecard.json").read_text())
        places.append(JudgedEntry(of, made | {"verdict": made["leak"]}))
    drawn = leaderboard.figure(places)
    drawn.draw_without_rendering()
    boxes = [
        Text.get_window_extent(text)  # without its line
        for text in drawn.axes[0].texts
        if "defence" in text.get_text()
    ]
    assert len(boxes) == 40
    covered = sum(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert covered == 0


def test_epsilon_is_told_of_private_entries(outputs: Path) -> None:
    if find_spec("dp_accounting") is None:
        pytest.skip("needs the extra privacy")
    of = replace(entry("dp"), defence=["mitigation=dp_sgd", "mitigation.dp_sgd.noise=2"])
    (told,) = defences._private([JudgedEntry(of, {})])
    assert "with ε = 0.6 at δ = 1/60000 (noise 2 × the clip" in told


def test_epsilon_is_that_of_renyis_bound() -> None:
    """Without sampling, against the closed form: min over α of T α / (2 σ²) + ln(1/δ) / (α − 1)."""
    if find_spec("dp_accounting") is None:
        pytest.skip("needs the extra privacy")
    found = defences.epsilon(8.0, batch=100, size=100, steps=20, delta=1e-5)
    orders = np.linspace(1.01, 200, 100_000)
    bound = (20 * orders / (2 * 64) + np.log(1e5) / (orders - 1)).min()
    assert 0.85 * bound < found <= bound  # the accountant's conversion is a little tighter
    sampled = defences.epsilon(8.0, batch=1, size=100, steps=20, delta=1e-5)
    assert sampled < 0.1 * found
    assert defences.epsilon(4.0, batch=100, size=100, steps=20, delta=1e-5) > found
