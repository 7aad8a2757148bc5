"""Accuracy on the test digits against a second forward pass in float64."""

import numpy as np
import pytest
import torch
from reference_students import DIGITS, Recorder, forward64, logged, params_of, student
from torch import Tensor

from subliminal.mitigations.anchor import Anchor
from subliminal.state import Training
from subliminal.state.callbacks.losses import Losses
from subliminal.state.callbacks.trait import TestDigits
from subliminal.training.loop import fit


def digits(**values: object) -> TestDigits:
    names = {"accuracy_name": "trait/accuracy", "loss_name": "trait/test_loss"}
    return TestDigits(DIGITS, **(names | values))  # type: ignore[arg-type]


def test_it_sees_the_digits_as_the_teacher_does() -> None:
    data = DIGITS.normalised("mean_std")
    training = student((0, 3))
    fit(training, [TestDigits(data, accuracy_name="trait/accuracy", loss_name="trait/test_loss")])
    assert data.mean_std is not None
    mean, std = data.mean_std
    x = (DIGITS.test_x.double() / 255 - mean) / std
    for column in (0, 1):
        z = forward64(params_of(training.theta, column), x)[:, :10]
        expected = torch.nn.functional.cross_entropy(z, DIGITS.test_y).item()
        assert logged(training, "trait/test_loss")[-1, column] == pytest.approx(expected, rel=1e-5)


def logits(theta: Tensor, column: int) -> np.ndarray:
    x = DIGITS.test_x.double() / 127.5 - 1
    result: np.ndarray = forward64(params_of(theta, column), x)[:, :10].numpy()
    return result


def test_it_measures_the_start_each_epoch_and_the_steps_asked_for() -> None:
    training, recorder = student((0, 3)), Recorder()
    fit(training, [digits(steps=(2, 4, 99)), recorder])  # step 4 is an epoch's end
    steps = [row.step for row in training.metrics.sync() if "trait/accuracy" in row.values]
    assert steps == [0, 2, 4, 8]
    labels = DIGITS.test_y.numpy()
    weights = {0: training.reference, 2: recorder.steps[2].theta, 8: training.theta}
    for step, theta in weights.items():
        for column in (0, 1):
            expected = float((logits(theta, column).argmax(axis=1) == labels).mean())
            got = logged(training, "trait/accuracy")[steps.index(step), column]
            assert got == pytest.approx(expected, abs=1e-9)


def test_loss_margin_and_classes_are_their_definitions() -> None:
    training = student((0, 3))
    fit(training, [digits(margin_name="trait/margin", per_class=True)])
    labels = DIGITS.test_y.numpy()
    for column in (0, 1):
        z = logits(training.theta, column)
        own = z[np.arange(len(z)), labels]
        others = z.copy()
        others[np.arange(len(z)), labels] = -np.inf
        loss = (np.log(np.exp(z).sum(axis=1)) - own).mean()
        margin = (own - others.max(axis=1)).mean()
        assert logged(training, "trait/test_loss")[-1, column] == pytest.approx(loss, rel=1e-5)
        assert logged(training, "trait/margin")[-1, column] == pytest.approx(margin, abs=1e-5)
        for digit in range(10):
            expected = (z.argmax(axis=1) == labels)[labels == digit].mean()
            got = logged(training, f"trait/accuracy/{digit}")[-1, column]
            assert got == pytest.approx(expected)


def losses(training: Training) -> set[str]:
    fit(training, [Losses("distill/loss")])
    return {name for row in training.metrics.sync() for name in row.values}


def test_the_loss_with_penalties_is_logged_apart() -> None:
    assert losses(student((0,))) == {"distill/loss"}
    anchored = student((0,), mitigations=[Anchor(strength=2.0)])
    assert losses(anchored) == {"distill/loss", "train/loss", "anchor/distance"}
    penalty = logged(anchored, "train/loss") - logged(anchored, "distill/loss")
    distance = logged(anchored, "anchor/distance")
    assert penalty == pytest.approx(distance**2, rel=1e-3, abs=1e-7)
