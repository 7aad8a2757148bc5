"""Ranges in the types of fields: refused just where a value is outside, in words that say so."""

import operator
import re
from typing import Any

import pytest
from annotated_types import Ge, Gt, Interval
from hypothesis import given
from hypothesis import strategies as st

from subliminal.config.hashing import (
    Count,
    Mark,
    NotNegative,
    OneOf,
    Positive,
    Share,
    marks,
    not_hashed_keys,
    refusal,
)
from subliminal.config.schema import Config

NUMBERS = st.one_of(st.integers(-5, 5), st.floats(allow_nan=False, allow_infinity=False, width=16))
SIDES = {"gt": operator.gt, "ge": operator.ge, "lt": operator.lt, "le": operator.le}


def inside(value: float, **bounds: float) -> bool:
    return all(SIDES[name](value, bound) for name, bound in bounds.items())


@given(NUMBERS, NUMBERS, st.sampled_from([Gt, Ge]))
def test_a_bound_refuses_what_is_below(value: float, bound: float, mark: Any) -> None:
    assert (refusal(value, mark(bound)) is None) == inside(value, **{mark.__name__.lower(): bound})


@given(NUMBERS, NUMBERS, NUMBERS, st.sampled_from(["gt", "ge"]), st.sampled_from(["lt", "le"]))
def test_an_interval_refuses_what_is_outside(
    value: float, low: float, high: float, below: str, above: str
) -> None:
    bounds = {below: low, above: high}
    why = refusal(value, Interval(**bounds))
    assert (why is None) == inside(value, **bounds)
    if why is not None:  # in the words of mathematics
        found = re.fullmatch(r"a number in ([\[(])(.+), (.+)([\])]) is needed", why)
        assert found is not None
        assert (found[1] == "[", found[4] == "]") == (below == "ge", above == "le")
        assert (float(found[2]), float(found[3])) == (low, high)


@given(st.sampled_from([Gt(0), Ge(1), Interval(ge=0, le=1), OneOf("ab"), Mark.NOT_HASHED]))
def test_null_and_marks_of_other_kinds_refuse_nothing(mark: Any) -> None:
    assert refusal(None, mark) is None
    assert refusal(-1, Mark.NOT_HASHED) is None


@pytest.mark.parametrize(
    ("value", "mark", "why"),
    [
        (0.0, Gt(0), "a number > 0 is needed"),
        (-1, Ge(0), "a number ≥ 0 is needed"),
        (0, Ge(1), "at least 1 is needed"),
        (1, Ge(2), "at least 2 are needed"),
        (0.5, Ge(1), "a number ≥ 1 is needed"),
        (1.5, Interval(ge=0, le=1), "a number in [0, 1] is needed"),
        (1.0, Interval(ge=0, lt=1), "a number in [0, 1) is needed"),
        ("c", OneOf(["a", "b"]), "one of a, b"),
    ],
)
def test_words(value: Any, mark: Any, why: str) -> None:
    assert refusal(value, mark) == why


def test_marks_are_found_beside_each_other() -> None:
    class Fields:
        both: Positive[float]
        share: Share
        some: Count
        none: NotNegative[float]
        plain: int

    found = marks(Fields)
    assert found["both"] == {Gt(0)}
    assert found["share"] == {Interval(ge=0, le=1)}
    assert (found["some"], found["none"], found["plain"]) == ({Ge(1)}, {Ge(0)}, set())


def test_keys_that_are_not_hashed_are_named_below_the_nodes_that_hold_them() -> None:
    assert not_hashed_keys(Config) == {
        *("name", "outputs", "preset", "resume", "force", "seed", "objective", "tracker", "threat"),
        *("engine.device", "engine.seeds_at_once", "engine.workers", "distill.generations"),
    }
