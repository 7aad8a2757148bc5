"""The layer by layer comparison of weights."""

import numpy as np
import pytest
from reference_students import NETWORK, logged, params_of, student

from subliminal.models.mlp import MLP
from subliminal.probes.weights import Weights
from subliminal.state import Training
from subliminal.tensors.network import Network
from subliminal.training.loop import fit


@pytest.fixture(scope="module")
def trained() -> Training:
    training = student((0, 3))
    fit(training, [Weights()])
    return training


def states(training: Training, seed_index: int, name: str) -> dict[str, np.ndarray]:
    assert training.teacher is not None
    flat = {
        "teacher_final": training.teacher,
        "student_initial": training.reference,
        "student_final": training.theta,
        "teacher_initial": training.reference,
    }
    views = params_of(flat[name], seed_index)
    return {layer: values.numpy().ravel() for layer, values in views.items()}


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("teacher_initial", "teacher_final"),
        ("teacher_initial", "student_final"),
        ("teacher_final", "student_initial"),
        ("teacher_final", "student_final"),
        ("student_initial", "student_final"),
    ],
)
def test_pairs_agree_with_numpy(a: str, b: str, trained: Training) -> None:
    for column in (0, 1):
        xs, ys = states(trained, column, a), states(trained, column, b)
        for layer, x in xs.items():
            y = ys[layer]
            lengths = np.linalg.norm(x) * np.linalg.norm(y)
            distance = np.linalg.norm(x - y)
            expected = {
                "cosine": x @ y / lengths if lengths else 0.0,
                "distance": distance,
                "relative_distance": distance / np.linalg.norm(y) if y.any() else 0.0,
            }
            for metric, value in expected.items():
                last = logged(trained, f"weights/{metric}/{a}-{b}/{layer}")[-1, column]
                assert last == pytest.approx(value, rel=1e-5, abs=1e-6)


def test_updates_are_compared_too(trained: Training) -> None:
    start, end, goal = (
        states(trained, 0, name) for name in ("student_initial", "student_final", "teacher_final")
    )
    for layer in start:
        x, y = end[layer] - start[layer], goal[layer] - start[layer]
        name = f"student_update-teacher_update/{layer}"
        cosine = x @ y / np.linalg.norm(x) / np.linalg.norm(y)
        assert logged(trained, f"weights/cosine/{name}")[-1, 0] == pytest.approx(cosine, abs=1e-5)
        relative = np.linalg.norm(x - y) / np.linalg.norm(y)
        values = logged(trained, f"weights/relative_distance/{name}")
        assert values[-1, 0] == pytest.approx(relative, rel=1e-5)


def test_where_they_start_together_they_are_the_same(trained: Training) -> None:
    name = "teacher_initial-student_initial/layer1.weight"
    assert logged(trained, f"weights/distance/{name}").tolist() == [[0, 0]] * 2
    assert logged(trained, f"weights/cosine/{name}") == pytest.approx(1)


def test_layers_of_another_shape_are_left_out() -> None:
    training = student((0,))
    other = Network.of(MLP(hidden=[9, 8], aux=3), pixels=20, classes=10)
    training.teacher_network = other
    training.teacher = training.teacher_reference = other.reference((0,), training.theta.device)
    Weights().on_epoch_end(training)
    (row,) = training.metrics.sync()
    between = {name.rpartition("/")[2] for name in row.values if "teacher_final-student" in name}
    assert between == {"layer2.bias", "layer3.weight", "layer3.bias"}
    within = {name.rpartition("/")[2] for name in row.values if "student_initial-" in name}
    assert within == set(NETWORK.layout.shapes)
