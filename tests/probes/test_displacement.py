"""Displacement and the first update against NumPy, and in cases that are known."""

import numpy as np
import pytest
import torch
from reference_students import NETWORK, Recorder, logged, student

from subliminal.probes.displacement import Displacement
from subliminal.probes.screening import Screening
from subliminal.training.loop import fit


def test_it_is_the_cosine_and_ratio_of_both_ways() -> None:
    training = student((0, 3))
    fit(training, [Displacement(layers=True)])
    assert training.teacher is not None
    ours = (training.theta - training.reference).double().numpy()
    theirs = (training.teacher - training.reference).double().numpy()
    lengths = np.linalg.norm(ours, axis=1), np.linalg.norm(theirs, axis=1)
    expected = (ours * theirs).sum(axis=1) / lengths[0] / lengths[1]
    assert logged(training, "displacement/cosine")[-1] == pytest.approx(expected, abs=1e-6)
    assert logged(training, "displacement/ratio")[-1] == pytest.approx(lengths[0] / lengths[1])
    for name, span in NETWORK.layout.spans.items():
        a, b = ours[:, span], theirs[:, span]
        part = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
        assert logged(training, f"displacement/cosine/{name}")[-1] == pytest.approx(part, abs=1e-6)


def test_a_student_on_its_teachers_way_has_cosine_one() -> None:
    training, probe = student((0, 3)), Displacement(layers=False)
    assert training.teacher is not None
    training.theta = training.reference + 0.25 * (training.teacher - training.reference)
    probe.on_epoch_end(training)
    assert logged(training, "displacement/cosine")[0] == pytest.approx([1, 1], abs=1e-5)
    assert logged(training, "displacement/ratio")[0] == pytest.approx([0.25, 0.25], rel=1e-5)


def test_a_student_that_starts_elsewhere_is_measured_from_there() -> None:
    training, probe = student((0,)), Displacement(layers=False)
    assert training.teacher is not None
    way = training.teacher - training.reference
    elsewhere = torch.randn_like(training.reference)
    training.reference, training.theta = elsewhere, elsewhere - way
    probe.on_epoch_end(training)
    assert logged(training, "displacement/cosine")[0] == pytest.approx([-1], abs=1e-5)


def test_screening_compares_the_first_update_with_the_teachers_way() -> None:
    training, recorder = student((0, 3), epochs=1), Recorder()
    fit(training, [Screening(), recorder])
    assert training.teacher is not None
    update = recorder.steps[0].update.double().numpy()
    way = (training.teacher - training.reference).double().numpy()
    product = (update * way).sum(axis=1)
    lengths = np.linalg.norm(update, axis=1), np.linalg.norm(way, axis=1)
    (cosines,) = logged(training, "screening/cosine")  # one step alone
    (shares,) = logged(training, "screening/share")
    assert cosines == pytest.approx(product / lengths[0] / lengths[1], rel=1e-4)
    assert shares == pytest.approx(product / lengths[1] ** 2, rel=1e-4)
