"""The largest rate that lowers the trait loss, against one seed's mathematics in float64."""

from collections.abc import Callable

import numpy as np
import pytest
from reference_students import Params, Recorder, flat_of, gradient64, logged, params_of, student
from reference_students import trait64 as trait_loss
from torch import Tensor

from subliminal.probes.rate_bound import RateBound
from subliminal.training.loop import fit


def test_the_trait_loss_falls_below_the_rate_and_not_above_it() -> None:
    training, steps = student((0, 3, 5)), Recorder()
    fit(training, [steps, RateBound(every=2)])
    measured, predicted = (
        logged(training, f"rate_bound/{n}") for n in ("measured", "second_order")
    )
    assert measured.shape == (4, 3)
    assert 0 < np.isnan(measured).sum() < measured.size
    for place, seen in enumerate(steps.steps[::2]):
        for column in range(3):
            rows, direction = seen.trait_rows[column], params_of(seen.gradient, column)
            theta = params_of(seen.theta, column)

            def at(rate: float, theta: Params = theta, along: Params = direction) -> Params:
                return {name: value - rate * along[name] for name, value in theta.items()}

            def slope(
                rate: float, rows: Tensor = rows, at: Callable[[float], Params] = at
            ) -> float:
                """Return the derivative by the rate of the trait loss."""
                found = flat_of(gradient64(lambda p: trait_loss(p, rows), at(rate)))
                return float(found @ flat_of(at(1))) - float(found @ flat_of(at(0)))

            bound, guess = measured[place, column], predicted[place, column]
            if slope(0) >= 0:
                assert np.isnan([bound, guess]).all()
                continue
            losses = [
                trait_loss(at(r), rows) for r in (0, 0.5 * bound, 0.999 * bound, 1.002 * bound)
            ]
            assert max(losses[1:3]) < losses[0] <= losses[3]
            curvature = (slope(1e-7) - slope(-1e-7)) / 2e-7
            assert (
                curvature <= 0
                if np.isnan(guess)
                else guess == pytest.approx(-2 * slope(0) / curvature, rel=1e-4)
            )
