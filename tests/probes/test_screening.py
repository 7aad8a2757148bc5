"""The first update and the teacher's displacement, against NumPy."""

import numpy as np
import pytest
from reference_students import Recorder, logged, student

from subliminal.probes.screening import Screening
from subliminal.training.loop import fit


def test_it_compares_the_first_update_with_the_teachers_way() -> None:
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
