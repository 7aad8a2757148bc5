"""Mean shifts of activations against float64."""

import numpy as np
import pytest
import torch
from reference_students import DIGITS, Params, forward64, hidden64, logged, params_of, student

from subliminal.probes.activation_shift import ActivationShift
from subliminal.state import Training
from subliminal.training.loop import fit

N = 50  # digits of the batch


def probe(of_class: int | None = None) -> ActivationShift:
    return ActivationShift(every=3, examples=N, of_class=of_class)


def layers64(params: Params) -> dict[str, torch.Tensor]:
    x = DIGITS.train_x[:N].double() / 127.5 - 1
    first, second = hidden64(params, x)
    return {"layer1": first, "layer2": second, "class": forward64(params, x)[:, :10]}


def shifts64(training: Training, column: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the student's and its teacher's mean shift by layer."""
    assert training.teacher is not None
    start, ours, theirs = (
        layers64(params_of(theta, column))
        for theta in (training.reference, training.theta, training.teacher)
    )
    return {
        layer: ((ours[layer] - h).mean(dim=0).numpy(), (theirs[layer] - h).mean(dim=0).numpy())
        for layer, h in start.items()
    }


@pytest.fixture(scope="module")
def trained() -> Training:
    training = student((0, 3))
    fit(training, [probe()])
    return training


def test_norm_cosine_and_share_are_those_of_float64(trained: Training) -> None:
    training = trained
    for column in (0, 1):
        for layer, (ours, theirs) in shifts64(training, column).items():
            expected = {
                "shift/norm": np.linalg.norm(ours),
                "shift/cosine": ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs),
                "shift/share": ours @ theirs / (theirs @ theirs),
            }
            for name, value in expected.items():
                found = logged(training, f"{name}/{layer}")
                assert found[-1, column] == pytest.approx(value, rel=1e-3, abs=1e-6)
                assert found[0, column] == 0
    assert np.array_equal(logged(training, "shift/cosine"), logged(training, "shift/cosine/layer2"))
    assert np.array_equal(logged(training, "trait/shift"), logged(training, "shift/share/class"))


@pytest.mark.parametrize("of_class", [None, 4])
def test_the_favoured_class_gains_predictions(of_class: int | None, trained: Training) -> None:
    training = trained if of_class is None else student((0, 3))
    if of_class is not None:
        fit(training, [probe(of_class)])
    for column in (0, 1):
        favoured = int(np.argmax(shifts64(training, column)["class"][1]))
        favoured = favoured if of_class is None else of_class
        before, after = (
            (layers64(params_of(theta, column))["class"].argmax(dim=1) == favoured).double().mean()
            for theta in (training.reference, training.theta)
        )
        found = logged(training, "trait/favoured")[-1, column]
        assert found == pytest.approx(float(after - before), abs=1e-9)


def test_the_teacher_itself_has_shifted_all_the_way() -> None:
    training, measure = student((0, 3)), probe()
    measure.on_train_start(training)
    assert training.teacher is not None
    training.theta.copy_(training.teacher)
    measure.on_epoch_end(training)
    for name in ("shift/share", "shift/cosine/layer1", "trait/shift"):
        assert logged(training, name)[-1] == pytest.approx([1, 1], abs=1e-6)


def test_it_measures_on_its_grid_once_a_step(trained: Training) -> None:
    steps = [row.step for row in trained.metrics.sync() if "shift/norm" in row.values]
    assert steps == [0, 3, 4, 6, 8]
