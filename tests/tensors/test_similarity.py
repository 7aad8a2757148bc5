"""Similarity of representations: CKA against its definition, and what must not change it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from reference_students import hsic_cka
from scipy import stats

from subliminal.tensors.similarity import linear_cka

SHAPES = st.tuples(st.integers(3, 30), st.integers(1, 40), st.integers(1, 40))


def pair(shape: tuple[int, int, int], seed: int) -> tuple[np.ndarray, np.ndarray]:
    n, width, other = shape
    generator = np.random.default_rng(seed)
    x = generator.normal(1, 1, size=(n, width))
    return x, generator.normal(size=(n, other)) + x[:, :1]


def cka(x: np.ndarray, y: np.ndarray) -> float:
    return float(linear_cka(torch.from_numpy(x)[None], torch.from_numpy(y)[None]))


@given(SHAPES, st.integers(0, 1000))
def test_it_is_the_hsic_of_linear_kernels(shape: tuple[int, int, int], seed: int) -> None:
    x, y = pair(shape, seed)
    assert cka(x, y) == pytest.approx(hsic_cka(x, y), rel=1e-9)


@given(SHAPES, st.integers(0, 1000), st.floats(0.01, 100), st.floats(-10, 10))
def test_turning_scaling_and_shifting_change_nothing(
    shape: tuple[int, int, int], seed: int, scaled: float, shift: float
) -> None:
    x, y = pair(shape, seed)
    rotation = stats.ortho_group.rvs(x.shape[1], random_state=seed) if x.shape[1] > 1 else [[-1.0]]
    assert cka(scaled * x @ np.asarray(rotation) + shift, y) == pytest.approx(cka(x, y), rel=1e-6)
    assert cka(x, y) == pytest.approx(cka(y, x), rel=1e-9)
    assert cka(x, x) == pytest.approx(1)
    assert 0 <= cka(x, y) <= 1 + 1e-9


def test_a_constant_layer_is_like_nothing() -> None:
    assert cka(np.ones((5, 3)), pair((5, 2, 2), 0)[0]) == 0
