"""Flags on made-up tables: each is raised where it should be, and nowhere else."""

import numpy as np
import pytest

from subliminal.judge import flags
from subliminal.judge.leak import Evidence, Interval, Word

FALLING = np.linspace(2.0, 0.5, 50)
ONES, ZEROS = np.ones(50), np.zeros(50)


def test_a_loss_that_does_not_fall() -> None:
    assert flags.loss_did_not_fall([FALLING, FALLING]) == ""
    assert flags.loss_did_not_fall([FALLING, ONES, FALLING[::-1]]) == (
        "loss did not fall (2 of 3 seeds)"
    )
    assert "1 of 1" in flags.loss_did_not_fall([np.full(50, np.nan)])
    assert flags.loss_did_not_fall([np.array([1.0, 0.2])]) == ""


def test_a_gradient_that_is_zero_or_masked() -> None:
    assert flags.gradient_lost([ONES, ONES], [ONES, 0.9 * ONES]) == ""
    mostly = np.where(np.arange(50) < 40, 0.0, 1.0)
    assert flags.gradient_lost([mostly], [ONES]) == "gradient is zero in 80% of steps"
    assert flags.gradient_lost([ONES], [0.25 * ONES]) == (
        "gradient is masked: 75% of parameters do not move"
    )
    assert flags.gradient_lost([], []) == ""  # no defence


def test_a_defence_that_does_nothing() -> None:
    assert flags.inactive([ONES, ONES]) == ""
    assert flags.inactive([ONES, ZEROS]) == ""  # half of the steps is not most
    one_epoch = np.where(np.arange(50) < 10, 1.0, 0.0)
    assert flags.inactive([one_epoch, one_epoch]) == "defence is inactive in 80% of steps"


def test_a_teacher_that_is_another() -> None:
    still, moved = np.full(6, 3.25), np.array([3.25, 3.25, 3.5])
    assert flags.teacher_changed([still], same=True) == ""
    assert flags.teacher_changed([still, moved], same=True) == (
        "teacher was changed by the defence (1 of 2 seeds)"
    )
    assert flags.teacher_changed([still], same=False).startswith("teacher is another")


def test_an_accuracy_below_chance() -> None:
    assert flags.below_chance(np.array([0.09, 0.11]), classes=10) == ""
    assert flags.below_chance(np.array([0.01, np.nan, 0.03]), classes=10) == "below chance (0.020)"
    assert flags.below_chance(np.array([0.03]), classes=26) == ""
    assert flags.below_chance(np.array([np.nan]), classes=10) == ""


@pytest.mark.parametrize(
    ("noise", "word", "flagged"),
    [
        (0.01, "reduces", False),
        (0.6, "reduces", True),
        (0.01, "undecided", False),
        (0.01, "no effect", True),  # a word that no half bears out
    ],
)
def test_a_word_that_hangs_on_the_seeds(noise: float, word: Word, flagged: bool) -> None:
    generator = np.random.default_rng(1)
    undefended, null = np.full(10, 0.6), np.full(10, 0.1)
    defended = 0.35 + noise * generator.normal(size=10)
    evidence = Evidence(defended, undefended, null, null, null)
    told = flags.depends_on_seeds(evidence, word)
    assert told.startswith("depends on the seeds (") is flagged
    assert flags.depends_on_seeds(evidence, word) == told


@pytest.mark.parametrize(
    ("word", "readout", "told"),
    [
        ("blocks", Interval(0.8, 0.7, 0.9), "hidden, not blocked: a readout finds 0.80 of it"),
        ("blocks", Interval(0.2, 0.1, 0.3), ""),
        ("blocks", None, ""),
        ("reduces", Interval(0.8, 0.7, 0.9), ""),
    ],
)
def test_a_trait_that_is_hidden(word: Word, readout: Interval | None, told: str) -> None:
    assert flags.hidden(word, readout) == told
