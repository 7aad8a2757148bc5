"""Random streams: the same on every machine, apart from each other."""

from itertools import combinations

import numpy as np
import pytest

from subliminal.tensors import streams

GOLDEN_INTEGERS = [3969092594, 4281951303, 1186532449]
GOLDEN_NORMALS = [-1.0562687893984317, -0.6040103073483006]


def test_streams_are_the_same_for_good() -> None:
    # Printed once by `stream(7, "init", epoch=2)`; another value means that every result changed.
    drawn = streams.stream(7, streams.INIT, epoch=2)
    assert drawn.integers(2**32, size=3).tolist() == GOLDEN_INTEGERS
    assert drawn.standard_normal(2).tolist() == pytest.approx(GOLDEN_NORMALS, abs=0)


def test_no_two_streams_share_numbers() -> None:
    names = [streams.INIT, streams.INPUTS, streams.TEACHER_ORDER, streams.PROBE_ORDER]
    keys = [(seed, name, epoch) for seed in (0, 1, 2**40) for name in names for epoch in (0, 1)]
    drawn = [streams.stream(s, n, epoch=e).standard_normal(500) for s, n, e in keys]
    for a, b in combinations(drawn, 2):
        assert abs(np.corrcoef(a, b)[0, 1]) < 0.25
    assert len({tuple(row[:4]) for row in drawn}) == len(keys)


def test_orders_are_permutations_that_do_not_depend_on_the_stack() -> None:
    stack = streams.orders((4, 9), "x", 50, epoch=1)
    assert np.array_equal(np.sort(stack, axis=1), np.tile(np.arange(50), (2, 1)))
    assert np.array_equal(stack[1], streams.orders((9,), "x", 50, epoch=1)[0])
    assert not np.array_equal(stack[0], stack[1])
    assert not np.array_equal(stack[1], streams.orders((9,), "x", 50, epoch=2)[0])


def test_draws_are_uniform_with_replacement() -> None:
    drawn = streams.draws((0,), "x", 10, 20_000, epoch=0)
    counts = np.bincount(drawn[0], minlength=10)
    assert drawn.shape == (1, 20_000)
    assert np.all(np.abs(counts - 2000) < 5 * np.sqrt(2000))
