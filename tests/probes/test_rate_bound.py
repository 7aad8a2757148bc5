"""The largest rate that lowers the trait loss, against one seed's trait loss in float64."""

import numpy as np
import pytest
from reference_students import Recorder, logged, params_of, student, trait64

from subliminal.probes.rate_bound import RateBound
from subliminal.training.loop import fit


def test_the_trait_loss_falls_below_the_rate_and_not_above_it() -> None:
    training, recorder = student((0, 3, 5)), Recorder()
    fit(training, [recorder, RateBound(every=2)])
    bounds, guesses = (logged(training, f"rate_bound/{n}") for n in ("measured", "second_order"))
    assert 0 < np.isnan(bounds).sum() < bounds.size == 12
    for (place, column), bound in np.ndenumerate(bounds):
        seen = recorder.steps[2 * place]
        theta, g = params_of(seen.theta, column), params_of(seen.gradient, column)

        def loss(rate: float) -> float:
            moved = {name: theta[name] - rate * g[name] for name in theta}  # noqa: B023
            return float(trait64(moved, seen.trait_rows[column]))  # noqa: B023

        low, now, high = (loss(rate) for rate in (-1e-3, 0, 1e-3))
        slope, curvature = (high - low) / 2e-3, (high - 2 * now + low) / 1e-6
        assert np.isnan(bound) == (slope >= 0)
        if slope < 0:
            assert max(loss(0.5 * bound), loss(0.999 * bound)) < now <= loss(1.002 * bound)
        if slope < 0 < curvature:
            assert guesses[place, column] == pytest.approx(-2 * slope / curvature, rel=0.01)
        else:
            assert np.isnan(guesses[place, column])
