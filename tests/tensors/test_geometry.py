"""Inner products and components against NumPy in float64."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from subliminal.tensors.geometry import component, cosine, dot, norm

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
