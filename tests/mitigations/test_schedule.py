"""The schedules against their definitions, written out point by point."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subliminal.mitigations.schedule import SHAPES, weight

TIMES = [0.0, 0.1, 0.2, 0.3, 0.6, 0.79, 0.8, 1.0]
EXPECTED = {  # five epochs, λ₀ = 0.5, peak 2
    "linear_decay": [0.5, 1.25, 2.0, 1.75, 1.0, 0.525, 0.5, 0.0],
    "critical_period": [0.5, 1.25, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    "constant": [2.0] * 8,
    "cosine": [1 + math.cos(math.pi * t) for t in TIMES],
    "rising": [0.0, 0.2, 0.4, 0.6, 1.2, 1.58, 1.6, 2.0],
    "falling": [2.0, 1.8, 1.6, 1.4, 0.8, 0.42, 0.4, 0.0],
    "end_anchor": [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0, 2.0],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape_has_its_points(shape: str) -> None:
    got = [weight(shape, t, epochs=5, start=0.5, peak=2.0) for t in TIMES]
    assert got == pytest.approx(EXPECTED[shape])


def test_the_default_is_full_in_the_first_epoch_and_gone_at_the_end() -> None:
    steps = [weight("linear_decay", step / 295, epochs=5, start=1, peak=1) for step in range(295)]
    assert steps[:59] == [1.0] * 59
    assert all(a > b for a, b in itertools.pairwise(steps[59:]))
    assert steps[-1] == pytest.approx(1 / 236)


@given(
    st.sampled_from(SHAPES),
    st.floats(0, 1, exclude_max=True),
    st.integers(1, 50),
    st.floats(0, 10),
    st.floats(0, 10),
)
def test_a_weight_is_between_zero_and_its_ends(
    shape: str, time: float, epochs: int, start: float, peak: float
) -> None:
    value = weight(shape, time, epochs=epochs, start=start, peak=peak)
    assert 0 <= value <= max(start, peak) * (1 + 1e-12)


@pytest.mark.parametrize("epochs", [1, 3, 5, 7, 10])
def test_the_end_anchor_holds_for_the_steps_of_the_last_epoch(epochs: int) -> None:
    per_epoch = 59
    steps = range(epochs * per_epoch)
    held = [
        step
        for step in steps
        if weight("end_anchor", step / len(steps), epochs=epochs, start=1, peak=1) > 0
    ]
    assert held == list(steps)[-per_epoch:]


@pytest.mark.parametrize("shape", SHAPES)
def test_one_epoch_is_all_critical_period(shape: str) -> None:
    assert math.isfinite(weight(shape, 0.999, epochs=1, start=1, peak=1))
