"""The buffer of logged values."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from subliminal.state.measurements import Measurements, Row


def flat(rows: list[Row]) -> list[tuple[int, dict[str, list[float]]]]:
    return [(row.step, {k: v.tolist() for k, v in row.values.items()}) for row in rows]


def test_values_of_a_step_share_a_row() -> None:
    metrics = Measurements()
    metrics.log(0, "loss", torch.tensor([1.0, 2.0]), of_network=True)
    metrics.sync()
    metrics.log(0, "cosine", torch.tensor([0.5, -0.5]))
    metrics.log(1, "loss", torch.tensor([0.25, 4.0]))
    assert flat(metrics.sync()) == [
        (0, {"loss": [1.0, 2.0], "cosine": [0.5, -0.5]}),
        (1, {"loss": [0.25, 4.0]}),
    ]
    assert metrics.of_network == {"loss"}


def test_float32_is_kept_exactly_beside_float64_and_nan() -> None:
    metrics = Measurements()
    metrics.log(0, "single", torch.tensor([0.1, float("nan")], dtype=torch.float32))
    metrics.log(0, "double", torch.tensor([0.1, float("inf")], dtype=torch.float64))
    (row,) = metrics.sync()
    np.testing.assert_array_equal(row.values["single"], [float(np.float32(0.1)), np.nan])
    np.testing.assert_array_equal(row.values["double"], [0.1, np.inf])
    assert {values.dtype for values in row.values.values()} == {np.dtype(np.float64)}


def test_logging_keeps_no_graph() -> None:
    weight = torch.ones(2, requires_grad=True)
    metrics = Measurements()
    metrics.log(0, "loss", 3 * weight)
    assert flat(metrics.sync()) == [(0, {"loss": [3.0, 3.0]})]
    assert weight.grad is None


# A history: at each step, what is logged (name to value) and whether a sync follows.
HISTORIES = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from("abc"), st.floats(-1e6, 1e6), min_size=1), st.booleans()
    ),
    max_size=20,
)


@given(HISTORIES, st.integers(1, 3))
def test_nothing_is_lost(history: list[tuple[dict[str, float], bool]], seeds: int) -> None:
    metrics = Measurements()
    for step, (values, sync) in enumerate(history):
        for name, value in values.items():
            metrics.log(step, name, torch.full((seeds,), value, dtype=torch.float64))
        if sync:
            metrics.sync()
    assert flat(metrics.sync()) == [
        (step, {name: [value] * seeds for name, value in values.items()})
        for step, (values, _) in enumerate(history)
    ]
