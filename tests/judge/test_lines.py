"""A setting's line, value by value, of a few made-up students; its words at their bounds."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from subliminal.judge import measure
from subliminal.judge.battery import PARTS
from subliminal.judge.fieller import Interval, ratio
from subliminal.judge.lines import (
    GATE,
    Facts,
    Seeds,
    leak_word,
    line,
    seed_dependence,
    setting_word,
    tells,
    utility_word,
    worst_word,
)
from subliminal.judge.recovery import LOGITS

D, U = np.array([0.21, 0.2, 0.19]), np.array([0.9, 1.0, 1.1])
# Of defended students, and of all others.
SIZES = {measure.LOSS: (0.3, 0.2), measure.AGREEMENT: (0.8, 0.9), measure.SKILL: (0.4, 0.5)}
SIZES |= {measure.SECONDS: (3.0, 2.0), measure.START_LOSS: (1.2, 1.2), measure.SOUND: (1.0, 1.0)}


def table(undefended: Any = U, defended: Any = D, logged: float = 0.0) -> pl.DataFrame:
    """Return a row for each part and seed; null students have no trait."""
    rows = []
    for part in PARTS:
        trait = {"undefended": undefended, "defended": defended}.get(part, 0 * np.asarray(U))
        for seed, value in enumerate(trait):
            sizes = {name: pair[part != "defended"] for name, pair in SIZES.items()}
            made = {"part": part, "seed": seed, LOGITS: value, measure.RECORDED: value + logged}
            rows.append(made | sizes)
    return pl.DataFrame(rows)


def test_a_line_has_what_was_measured() -> None:
    found = line(Facts("a", "b?", note="n", flags=("f",)), table(), "blind")
    traits = {part: {"undefended": 1.0, "defended": 0.2}.get(part, 0.0) for part in PARTS}
    of = {name: {p: pair[p != "defended"] for p in PARTS} for name, pair in SIZES.items()}
    assert (found.setting, found.asks, found.reason, found.flags) == ("a", "b?", "n", ("f",))
    assert (found.word, found.utility, found.seeds) == ("reduces", "useless", 3)
    assert (found.way, found.leak, found.by_way) == (LOGITS, ratio(D, U), {LOGITS: ratio(D, U)})
    assert found.traits == pytest.approx(traits)
    assert found.loss == pytest.approx({"θ₀": 1.2, **of[measure.LOSS]})
    assert found.agreement == pytest.approx(of[measure.AGREEMENT])
    assert found.seconds == pytest.approx(1.5)
    assert found.kept is not None
    assert found.kept.value == pytest.approx(0.9)
    assert found.skill_kept is not None
    assert found.skill_kept.value == pytest.approx(0.8)
    bare = line(Facts("a", "b?"), table().drop(measure.SKILL, measure.SECONDS), "blind")
    assert (bare.skill_kept, bare.seconds) == (None, None)


@pytest.mark.parametrize(
    ("facts", "leak", "reason"),
    [
        (Facts("a", "b?", control=True), 1.0, "the trait leaks where it should not"),
        (Facts("a", "b?", control=True), 0.0, "nothing leaks, as it should"),
        (Facts("a", "b?", flags=("f",)), 0.0, "too little leaks without a defence to tell 0.25 of"),
        (Facts("a", "b?", note="n"), 0.0, "n"),
    ],
)
def test_why_a_line_says_nothing_of_the_defence(facts: Facts, leak: float, reason: str) -> None:
    found = line(facts, table(leak * U), "blind")
    assert found.word == ("control" if facts.control else "not shown")
    assert found.reason.startswith(reason)
    assert (found.setting, found.asks, found.seeds, found.leak) == ("a", "b?", 3, None)
    assert (found.flags, found.control) == (facts.flags, facts.control)
    assert found.utility == ("" if facts.control else "useless")
    assert found.traits["undefended"] == pytest.approx(leak)


def test_what_leaks_at_all_and_whose_log_is_theirs() -> None:
    leaks = [np.full(2, GATE), np.full(2, GATE - 1e-9), np.array([0.01, 0.4])]
    assert [Seeds(table(leak)).open(LOGITS) for leak in leaks] == [True, False, False]
    words = [line(Facts("a", ""), table(logged=by), "aware").word for by in (0.0049, -0.0051)]
    assert words == ["reduces", "invalid"]
    forged = line(Facts("a", "b?", flags=("f",)), table(logged=1.0), "aware")
    assert forged.reason == "3 of 3 logged an accuracy that is not theirs"
    assert (forged.asks, forged.seeds, forged.flags) == ("b?", 3, ("f",))
    assert forged.traits["undefended"] == pytest.approx(1.0)


def test_seeds_matter_where_welchs_interval_lies_beyond_a_tenth() -> None:
    ones, known, unknown = np.ones(3), D, np.array([0.35, 0.2, 0.5])
    low = stats.ttest_ind(unknown, known, equal_var=False).confidence_interval(0.95).low
    for by in (-1e-6, 1e-6):
        tables = [table(ones, at) for at in (known, unknown + 0.1 - low + by)]
        found = [seed_dependence(*pair) for pair in (tables, tables[::-1])]
        assert [*map(bool, found)] == [by > 0] * 2
    assert found[0].startswith("depends on the seeds: 0.20 of the trait on the public seeds, 0.67")
    assert found[0].endswith(f" on others ({LOGITS})")
    two = [table(ones[:2], leak * ones[:2]) for leak in (0, 0.1, 0.11)]  # without any spread
    assert [bool(seed_dependence(two[0], other)) for other in two] == [False, False, True]


@pytest.mark.parametrize(
    ("low", "high", "shown", "word"),
    [
        (-0.05, 0.10, 0.02, "blocks"),
        (-0.9, -0.5, 0.02, "blocks"),
        (-0.05, 0.20, 0.20, "blocks"),  # all that the setting can show
        (-0.05, 0.101, 0.05, "mostly blocks"),
        (0.2, 0.249, 0.05, "mostly blocks"),
        (0.2, 0.25, 0.05, "reduces"),
        (0.2, 0.749, 0.05, "reduces"),
        (0.2, 0.75, 0.05, "little effect"),
        (0.2, 0.999, 0.05, "little effect"),
        (0.2, 1, 0.05, "undecided"),
        (0.749, 1.2, 0.05, "undecided"),
        (0.75, 1.2, 0.05, "no effect"),
        (1.05, 1.2, 0.05, "no effect"),
        (1.051, 1.2, 0.05, "worsens"),
        (float("-inf"), float("inf"), 0.05, "undecided"),
    ],
)
def test_the_word_of_a_leak(low: float, high: float, shown: float, word: str) -> None:
    assert leak_word(Interval((low + high) / 2, low, high), shown) == word


def test_a_setting_has_the_word_of_its_worst_way() -> None:
    none, some = (Interval(0, -0.05, 0.05), 0.05), (Interval(0.5, 0.4, 0.6), 0.05)
    most = Interval(0.9, 0.8, 0.95), 0.05
    assert setting_word({"logits": none, "readout": none}, "logits") == "blocks"
    assert setting_word({"logits": none, "readout": some}, "logits") == "hides"
    assert setting_word({"logits": some, "readout": most}, "logits") == "little effect"
    assert setting_word({"readout": some}, "logits") == "reduces"  # logits are not shown here
    mostly, no_more = (Interval(0.2, 0.1, 0.24), 0.05), (Interval(0.4, 0.25, 0.5), 0.05)
    assert setting_word({"logits": mostly, "readout": some}, "logits") == "hides"
    assert setting_word({"logits": none, "readout": no_more}, "logits") == "reduces"
    wide = Interval(0.5, -0.2, 1.2), 0.05
    assert setting_word({"logits": none, "readout": wide}, "logits") == "undecided"
    as_any = Interval(0.5, 0.4, 0.6), 0.6  # as much as students of unrelated weights recover
    assert setting_word({"logits": none, "readout": as_any}, "logits") == "blocks"
    assert setting_word({"logits": none, "readout": (most[0], 0.6)}, "logits") == "hides"


def test_a_way_tells_what_its_interval_or_its_resolution_does() -> None:
    wide = Interval(0.3, -0.2, 0.8)
    assert tells(wide, 0.25)
    assert not tells(wide, 0.26)
    assert tells(Interval(0.5, 0.251, 0.9), 0.5)
    assert not tells(Interval(0.5, 0.25, 0.9), 0.5)
    assert tells(Interval(0, -0.1, 0.249), 0.5)
    assert not tells(Interval(0, -0.1, 0.25), 0.5)


def test_the_verdict_is_the_worst_word() -> None:
    assert worst_word(["blocks", "reduces", "mostly blocks"]) == "reduces"
    assert worst_word(["no effect", "hides", "blocks"]) == "hides"
    assert worst_word(["hides", "invalid"]) == "invalid"
    assert worst_word([]) == "undecided"


@pytest.mark.parametrize(
    ("kept", "word"),
    [(0.95, "keeps"), (0.949, "loses some"), (0.90, "loses some"), (0.899, "useless")],
)
def test_the_word_of_what_is_kept(kept: float, word: str) -> None:
    assert utility_word(kept) == word
