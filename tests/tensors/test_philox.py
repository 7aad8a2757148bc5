"""Philox in torch gives NumPy's bits; its normal numbers are normal."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from subliminal.tensors import philox

WORD = st.integers(0, 2**64 - 1)
KEYS = st.lists(st.tuples(WORD, WORD), min_size=1, max_size=3)


def tensor(keys: list[tuple[int, int]]) -> torch.Tensor:
    return torch.from_numpy(np.array(keys, dtype=np.uint64).view(np.int64))


def numpys(key: tuple[int, int], first: int, upper: tuple[int, int]) -> np.random.Philox:
    """NumPy's generator before its block `first`; it counts up before it draws."""
    words = np.array([first - 1, 0, *upper], dtype=np.uint64)
    return np.random.Philox(key=np.array(key, dtype=np.uint64), counter=words)


@given(KEYS, st.integers(1, 2**62), st.tuples(WORD, WORD), st.integers(1, 5))
def test_the_bits_are_numpys(
    keys: list[tuple[int, int]], first: int, upper: tuple[int, int], number: int
) -> None:
    numbers = torch.arange(first, first + number)[None]
    ours = philox.blocks(tensor(keys), numbers, upper).numpy().view(np.uint64)
    assert ours.shape == (len(keys), number, 4)
    for row, key in zip(ours, keys, strict=True):
        assert np.array_equal(row.ravel(), numpys(key, first, upper).random_raw(4 * number))


@given(KEYS, st.integers(1, 2**62), st.tuples(WORD, WORD), st.integers(1, 5))
def test_so_are_the_uniform_numbers(
    keys: list[tuple[int, int]], first: int, upper: tuple[int, int], number: int
) -> None:
    numbers = torch.arange(first, first + number)[None]
    ours = philox.uniform(tensor(keys), numbers, upper).numpy()
    for row, key in zip(ours, keys, strict=True):
        generator = np.random.Generator(numpys(key, first, upper))
        assert np.array_equal(row.ravel(), generator.random(8 * number, dtype=np.float32))


def test_normal_numbers_are_normal_and_independent() -> None:
    drawn = philox.normal(tensor([(3, 1), (3, 2)]), torch.arange(1, 20_001)[None], (5, 6)).double()
    flat = drawn.flatten(1)
    assert flat.isfinite().all()
    for row in flat.numpy():
        assert stats.kstest(row, "norm").pvalue > 1e-3
    # Two numbers come of each pair of words, eight of each block, and seeds share nothing.
    lanes = torch.cat([drawn[0], drawn[1]], dim=1).T
    correlations = torch.corrcoef(lanes) - torch.eye(16)
    assert correlations.abs().max() < 5 / 20_000**0.5


def test_no_bits_give_an_infinite_number(monkeypatch: pytest.MonkeyPatch) -> None:
    extremes = torch.tensor([[0, 0], [0, 2**32 - 1], [2**32 - 1, 0], [2**32 - 1] * 2]).flatten()
    monkeypatch.setattr(philox, "words", lambda *_: extremes)
    assert philox.normal(torch.zeros(1, 2), torch.zeros(1, 1), (0, 0)).isfinite().all()
