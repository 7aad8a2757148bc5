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
