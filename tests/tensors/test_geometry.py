"""Inner products, components and CKA against NumPy in float64."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from reference_students import hsic_cka
from scipy import stats

from subliminal.tensors.geometry import component, cosine, dot, linear_cka, norm

ROWS = arrays(
    np.float32,
    (2, 9),
    elements=st.floats(-100, 100, width=32).filter(lambda v: v == 0 or abs(v) > 1e-3),
)


@given(ROWS, ROWS)
def test_products_are_those_of_float64(a: np.ndarray, b: np.ndarray) -> None:
    wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
    x, y = torch.from_numpy(a), torch.from_numpy(b)
    exact = (wide_a * wide_b).sum(axis=1)
    scale = np.abs(wide_a * wide_b).sum(axis=1)  # each term is rounded 9 times at most
    assert np.all(np.abs(dot(x, y).numpy() - exact) <= 10 * 2**-24 * scale + 1e-30)
    assert norm(x).numpy() == pytest.approx(np.linalg.norm(wide_a, axis=1), rel=1e-6)


@given(ROWS, ROWS, st.sampled_from(["positive", "negative", "both"]))
def test_what_is_left_is_orthogonal_where_the_sign_is_acted_on(
    a: np.ndarray, b: np.ndarray, sign: str
) -> None:
    x, y = torch.from_numpy(a), torch.from_numpy(b)
    left = (x - component(x, y, sign)).double()
    for row in range(2):
        product = float(x[row].double() @ y[row].double())
        remaining = float(left[row] @ y[row].double())
        size = float(x[row].double().norm() * y[row].double().norm())
        acted_on = {"positive": product > 0, "negative": product < 0, "both": True}[sign]
        if acted_on:
            assert abs(remaining) <= 1e-5 * size
        else:
            assert torch.equal(left[row], x[row].double())


def test_components_of_a_known_vector() -> None:
    a = torch.tensor([[3.0, 4.0], [-3.0, 4.0]])
    along = torch.tensor([[2.0, 0.0], [2.0, 0.0]])
    assert component(a, along, "positive").tolist() == [[3.0, 0.0], [0.0, 0.0]]
    assert component(a, along, "negative").tolist() == [[0.0, 0.0], [-3.0, 0.0]]
    assert component(a, along, "both").tolist() == [[3.0, 0.0], [-3.0, 0.0]]


def test_the_cosine_of_nothing_is_zero() -> None:
    zero, one = torch.zeros(1, 4), torch.ones(1, 4)
    assert cosine(zero, one).item() == 0
    assert cosine(zero, zero).item() == 0
    assert not component(one, zero, "both").any()


def test_a_small_cosine_of_long_vectors_keeps_its_digits() -> None:
    generator = np.random.default_rng(0)
    a = generator.standard_normal(270_000).astype(np.float32)
    b = generator.standard_normal(270_000).astype(np.float32)
    wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
    exact = wide_a @ wide_b / np.linalg.norm(wide_a) / np.linalg.norm(wide_b)
    assert abs(exact) < 0.01
    ours = cosine(torch.from_numpy(a)[None], torch.from_numpy(b)[None]).item()
    assert ours == pytest.approx(exact, abs=1e-9)


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
