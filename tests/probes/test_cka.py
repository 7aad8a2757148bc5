"""Similarity of representations."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from students import DIGITS, NETWORK, forward64, logged, params_of, student

from subliminal.data import scale
from subliminal.errors import UserError
from subliminal.loop import fit
from subliminal.models.mlp import MLP
from subliminal.network import Network
from subliminal.probes.cka import CKA, linear_cka

SHAPES = st.tuples(st.integers(3, 30), st.integers(1, 40), st.integers(1, 40))


def hsic_cka(x: np.ndarray, y: np.ndarray) -> float:
    """CKA from its definition by HSIC (Gretton et al. 2005): tr(K H L H) / (n − 1)²."""
    n = len(x)
    h = np.eye(n) - 1 / n
    k, m = x @ x.T, y @ y.T

    def hsic(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.trace(a @ h @ b @ h)) / (n - 1) ** 2

    return hsic(k, m) / float(np.sqrt(hsic(k, k) * hsic(m, m)))


def pair(shape: tuple[int, int, int], seed: int) -> tuple[np.ndarray, np.ndarray]:
    n, width, other = shape
    generator = np.random.default_rng(seed)
    x = generator.normal(1, 1, size=(n, width))
    return x, generator.normal(size=(n, other)) + x[:, :1]


def cka(x: np.ndarray, y: np.ndarray) -> float:
    return float(linear_cka(torch.from_numpy(x)[None], torch.from_numpy(y)[None]))


@settings(deadline=None)
@given(SHAPES, st.integers(0, 1000))
def test_it_is_the_hsic_of_linear_kernels(shape: tuple[int, int, int], seed: int) -> None:
    x, y = pair(shape, seed)
    assert cka(x, y) == pytest.approx(hsic_cka(x, y), rel=1e-9)


@settings(deadline=None)
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


def test_the_probe_compares_hidden_layers_on_test_digits() -> None:
    training = student((0, 3))
    fit(training, [CKA(examples=50)])
    assert training.teacher is not None
    x = scale(DIGITS.test_x[:50])

    def hidden(flat: torch.Tensor, column: int) -> list[np.ndarray]:
        params, h, found = params_of(flat, column), x.double(), []
        for layer in (1, 2):
            h = (h @ params[f"layer{layer}.weight"].T + params[f"layer{layer}.bias"]).clamp(min=0)
            found.append(h.numpy())
        return found

    for column in (0, 1):
        ours, theirs = hidden(training.theta, column), hidden(training.teacher, column)
        for layer, a, b in zip(("layer1", "layer2"), ours, theirs, strict=True):
            value = logged(training, f"cka/teacher_final-student_final/{layer}")[-1, column]
            assert value == pytest.approx(hsic_cka(a, b), rel=1e-4)
    last = logged(training, "cka/teacher_final-student_final/layer2")
    assert np.array_equal(last, logged(training, "cka/teacher_final-student_final/features"))
    same = logged(training, "cka/teacher_initial-student_initial/layer1")
    assert same == pytest.approx(1)


def test_the_activations_are_those_of_the_forward_pass() -> None:
    theta = NETWORK.reference((0,), torch.device("cpu"))
    x = scale(DIGITS.test_x[:7])[None]
    params = NETWORK.layout.views(theta)
    last = NETWORK.model.activations(params, x)["layer2"][0].double()
    plain = params_of(theta)
    logits = last @ plain["layer3.weight"].T + plain["layer3.bias"]
    assert torch.allclose(logits, forward64(plain, x[0]), atol=1e-5)


def test_networks_of_another_shape_share_their_last_hidden_layer() -> None:
    training = student((0,))
    other = Network.of(MLP(hidden=[9], aux=3), pixels=20, classes=10)
    training.teacher_network = other
    training.teacher = training.teacher_reference = other.reference((0,), training.theta.device)
    CKA(examples=20).on_epoch_end(training)
    (row,) = training.metrics.sync()
    between = {name.rpartition("/")[2] for name in row.values if "teacher_final-student" in name}
    assert between == {"layer1", "features"}


def test_a_seeds_values_do_not_depend_on_its_neighbours() -> None:
    values = []
    for seeds in ((3,), (0, 3)):
        training = student(seeds)
        CKA(examples=100).on_epoch_end(training)
        values.append(logged(training, "cka/teacher_final-student_final/layer1")[0, -1])
    assert values[0] == values[1]


def test_one_example_is_too_few() -> None:
    with pytest.raises(UserError, match=r"probe\.cka\.examples=1"):
        CKA(examples=1)
