"""Which attacks count, on made-up students, and the summary of a search."""

import polars as pl
import pytest

from subliminal.judge.attack import Attempt, Search, _checked, counts
from subliminal.judge.battery import PARTS
from subliminal.judge.measure import TEACHER
from subliminal.judge.recovery import LOGITS


def trial(
    undefended: float, defended: float, *, teacher: float = 0.94, null: float = 0.1
) -> pl.DataFrame:
    means = (undefended, null, defended, null)
    return pl.DataFrame(
        [
            {"part": part, "seed": seed, LOGITS: mean + (seed - 1) / 100, TEACHER: teacher}
            for part, mean in zip((p for p in PARTS if "unrelated" not in p), means, strict=True)
            for seed in range(3)
        ]
    )


PLAIN = trial(0.54, 0.30)


@pytest.mark.parametrize(
    ("attack", "counted", "why"),
    [
        (trial(0.60, 0.30), True, "an attack: undefended 0.500 against 0.440"),
        (trial(0.40, 0.35), True, "defended 0.250 against 0.200"),  # strong against this defence
        (trial(0.48, 0.25), False, "no attack: it leaks less than the plain teacher"),
        (trial(0.90, 0.90, teacher=0.92), False, "no attack: its teachers are less accurate"),
        (trial(0.90, 0.90, teacher=0.99), True, "an attack"),  # a better teacher is no fault
        (trial(0.60, 0.40, null=0.3), False, "leaks less"),  # what needs no trait is no leak
        (PLAIN, True, "an attack"),
    ],
)
def test_what_counts_as_an_attack(attack: pl.DataFrame, counted: bool, why: str) -> None:
    found, reason = counts(PLAIN, attack)
    assert found is counted
    assert why in reason
    assert "teachers 0.9" in reason


def test_an_attempt_with_another_teacher_does_not_fit() -> None:
    attempt = Attempt("short", ("teacher.epochs=1",), 3, 0.9, 0.93)
    assert _checked(attempt, 0.935) is _checked(attempt, 0.5) is attempt
    assert _checked(attempt, 0.95).reason == "teacher accuracy 0.930, more than 0.01 below 0.950"
    unfit = Attempt("x", (), reason="clash")
    assert _checked(unfit, 0.95) is unfit


def test_a_search_is_summarised() -> None:
    plain, weak = Attempt("plain", (), 10, 0.5, 0.94), Attempt("mse", ("a=b",), 3, 0.4, 0.94)
    strong = Attempt("wide", ("model.aux=100",), 10, 0.9, 0.94)
    assert Search((plain, weak), None).summary() == (
        "the search found no attack: 1 entries, 1 of them fit; plain 0.500; nearest mse 0.400"
    )
    assert Search((plain, weak, strong), strong).summary() == (
        "found wide (model.aux=100): 0.900 on 10 seeds; 2 entries, 2 of them fit; plain 0.500"
    )
