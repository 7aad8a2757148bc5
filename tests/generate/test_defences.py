"""The leaderboard's page, made of scorecards that are made up."""

import json
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
from subliminal.judge.entries import Entry
from subliminal.judge.leak import Interval
from subliminal.judge.scorecard import Line, Scorecard, write

SETTINGS = ("reference", "wide_channel", "two_skills", "long", "steered")


def line(setting: str, leak: float, price: float, word: str, seen: float) -> Line:
    return Line(
        setting=setting,
        asks="?",
        word=word,  # type: ignore[arg-type]
        reason="",
        leak=Interval(leak, leak - 0.04, leak + 0.05),
        readout_leak=Interval(min(1.0, leak + seen), seen - 0.1, 1.0),
        price=Interval(price, price, price),
        seconds=1.1,
        undefended=0.55,
        defended=0.1 + 0.45 * leak,
        null=0.1,
        skill_kept=0.97 if setting == "two_skills" else None,
    )


def entry(name: str, track: str = "blind", source: str = "ours") -> Entry:
    return Entry(name, (f"mitigation={name}",), source, f"{name} helps.", track, 1, False)


def card(of: Entry, leaks: list[float], prices: list[float], seen: float = 0.6) -> Scorecard:
    words = [
        "blocks" if abs(leak) < 0.05 else "reduces" if leak < 0.8 else "no effect" for leak in leaks
    ]
    rows = zip(SETTINGS, leaks, prices, words, strict=False)
    return Scorecard(
        defence=of.overrides,
        track=of.track,
        seeds=tuple(range(9000, 9010)),
        lines=tuple(line(*row, seen) for row in rows),
        controls=(),
        left_out=SETTINGS[len(leaks) :],
    )


CHEAP, LATER = entry("cheap"), entry("later")
MADE = {
    CHEAP: ([0.3, 0.5, 0.4, 0.02, 0.1], [1.01, 1.02, 1.05, 1.0, 1.09]),
    entry("dear"): ([0.01, 0.0, 0.02, 0.03, 0.01], [5.0, 9.0, 4.0, 3.0, 6.0]),
    entry("nothing"): ([0.9, 0.95, 1.0], [1.0, 1.0, 1.0]),
    entry("aware", "aware"): ([0.02, 0.1, 0.03, 0.0, 1.0], [1.02] * 5),
    entry("sham", "aware", "control"): ([1.0, 1.02, 0.98, 1.0, 1.03], [1.0] * 5),
}


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    for of, (leaks, prices) in MADE.items():
        write(card(of, leaks, prices), tmp_path / "outputs" / "judge" / "scorecards" / of.name)
    return tmp_path / "outputs"


def test_the_page_says_what_the_scorecards_say(outputs: Path, tmp_path: Path) -> None:
    page = tmp_path / "docs" / "defences.md"
    assert defences.write([outputs], page, [*MADE, LATER]) == ["later"]
    text = page.read_text()
    assert "5 entries were judged at 10 seeds: 3 blind and 1 aware" in text
    assert "; 1 neither blocked nor halved the leak" in text
    assert "**No blind defence here blocks" in text
    nearest = "The best blind defence at that price: cheap leaks at most 0.50 [0.46, 0.55], in "
    assert f"{nearest}wide_channel, at 1.09 × the loss; the trait comes through in 3 of 5" in text
    assert (
        "The best blind defence at any price: dear leaks at most 0.03 [-0.01, 0.08], in long, at "
        "9.00 × the loss; a readout finds up to 0.63." in text
    )
    assert "The best aware defence: aware leaks at most 1.00" in text
    assert "The control sham is judged no effect." in text
    assert "In 11 cases at most 0.10 of the trait accuracy leaks; in 11 of them a readout" in text
    rows = [row for row in text.splitlines() if row.startswith("| [")]
    assert [row.split("]")[0][3:] for row in rows] == ["dear", "cheap", "aware", "nothing", "sham"]
    assert "| no effect (screened) | 0 of 3 |" in rows[3]
    assert text.index("## Not judged yet") < text.index("`later`")
    assert (page.parent / "figures" / "defences.png").stat().st_size > 10_000
    table = pl.read_parquet(page.parent / "data" / "scorecards.parquet")
    assert table.filter(entry="dear")["blocked"].to_list() == [5] * len(SETTINGS)
    assert (page.parent / "scorecards" / "dear.md").is_file()
    again = page.read_text()
    assert defences.write([], page, [*MADE, LATER]) == ["later"]  # of the scorecards that it keeps
    assert page.read_text() == again


@pytest.mark.parametrize(
    ("seen", "texts"),
    [
        (0.1, ["no more than 1.10 × the distillation loss: cheap.**"]),
        (
            0.6,
            [
                "1.10 × the distillation loss, and leaves nothing for a readout to find.**",
                "cheap keeps the trait from the class logits in every setting, at 1.05 ×",
                "a hundred digits finds up to 0.61 of what",
                "dear blocks in every setting, at up to 9.00 × the loss, and a readout finds up",
            ],
        ),
    ],
)
def test_a_defence_that_blocks_is_the_answer_unless_it_hides_the_trait(
    outputs: Path, tmp_path: Path, seen: float, texts: list[str]
) -> None:
    blocking = card(CHEAP, [0.01] * 5, [1.05] * 5, seen)
    write(blocking, outputs / "judge" / "scorecards" / "cheap")
    page = tmp_path / "docs" / "defences.md"
    defences.write([outputs], page, [*MADE])
    for text in texts:
        assert text in page.read_text()


def test_scorecards_of_other_defences_and_quick_looks_are_not_shown(
    outputs: Path, tmp_path: Path
) -> None:
    other = Entry("cheap", ("mitigation=other",), "ours", "x", "blind", 0, False)
    with pytest.raises(UserError, match="no scorecard of an entry"):
        defences.write([outputs], tmp_path / "docs" / "defences.md", [other])


def test_labels_do_not_cover_each_other(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    places = []
    for number in range(40):
        of = entry(f"defence_{number}", "blind" if number % 4 else "aware")
        leaks = generator.uniform(0, 1, 5).tolist()
        prices = np.exp(generator.exponential(0.4, 5)).tolist()
        write(card(of, leaks, prices), tmp_path / of.name)
        places.append(
            JudgedEntry(of, json.loads((tmp_path / of.name / "scorecard.json").read_text()))
        )
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
    of = Entry(
        "dp", ("mitigation=dp_sgd", "mitigation.dp_sgd.noise=2"), "x", "y", "blind", 0, False
    )
    (told,) = defences._private([JudgedEntry(of, {})])
    assert "with ε = 0.6 at δ = 1/60000 (noise 2 × the clip" in told
