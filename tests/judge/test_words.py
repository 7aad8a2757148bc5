"""The words at their bounds."""

import pytest

from subliminal.judge.fieller import Interval
from subliminal.judge.words import leak_word, setting_word, tells, utility_word, worst_word


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
