"""Rows of a training made by hand: three epochs of four steps, two seeds."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import pytest
import torch

from subliminal.state.measurements import Measurements
from subliminal.state.tables import epoch_rows, step_rows

if TYPE_CHECKING:
    from subliminal.state import Training

PER_EPOCH, EPOCHS = 4, 3
ACCURACIES = [0.1, 0.2, 0.4, 0.3]  # of the network after each epoch, the initial one first


@dataclass
class FakeTraining:
    """What the tables ask of a training."""

    seeds: tuple[int, ...] = (3, 5)
    steps_per_epoch: int = PER_EPOCH
    index: int = 0
    metrics: Measurements = field(default_factory=Measurements)


def loss(step: int) -> float:
    return float((step - 5) ** 2)


def fake_training(*, every: int = 1, epochs: int = EPOCHS, sync: bool = True) -> "Training":
    """Seed 5 (column 1) logs what seed 3 does, negated; a probe logs at every k-th step."""
    training = FakeTraining()

    def log(name: str, value: float, *, of_network: bool = False) -> None:
        values = torch.tensor([value, -value], dtype=torch.float64)
        training.metrics.log(training.index, name, values, of_network=of_network)

    log("accuracy", ACCURACIES[0], of_network=True)
    for epoch in range(epochs):
        for _ in range(PER_EPOCH):
            if training.index == 6:
                log("accuracy", 0.9, of_network=True)  # in the middle of an epoch
            log("loss", loss(training.index))
            if training.index % every == 0:
                log("probe", float(training.index))
            training.index += 1
        log("accuracy", ACCURACIES[epoch + 1], of_network=True)
        if sync:
            training.metrics.sync()
    return cast("Training", training)


def test_a_row_for_each_step_in_order() -> None:
    rows = step_rows(fake_training(), 0)
    assert [row["step"] for row in rows] == list(range(13))
    assert [row["epoch"] for row in rows] == [step / 4 for step in range(13)]
    assert [row["loss"] for row in rows[:-1]] == [loss(step) for step in range(12)]
    assert rows[-1] == {"step": 12, "epoch": 3.0, "accuracy": 0.3}


def test_a_step_row_holds_what_was_logged_before_and_after_a_sync() -> None:
    rows = step_rows(fake_training(), 0)
    assert rows[4] == {"step": 4, "epoch": 1.0, "accuracy": 0.2, "loss": 1.0, "probe": 4.0}
    assert rows == step_rows(fake_training(sync=False), 0)


def test_a_column_is_one_seed() -> None:
    first, second = (step_rows(fake_training(), column) for column in (0, 1))
    measured = ("accuracy", "loss", "probe")
    assert [{k: -row[k] for k in measured if k in row} for row in second] == [
        {k: row[k] for k in measured if k in row} for row in first
    ]


def test_epoch_rows_average_steps_and_take_the_network_at_the_end() -> None:
    # (step - 5)^2: 25 16 9 4 | 1 0 1 4 | 9 16 25 36.
    assert epoch_rows(fake_training(), 0) == [
        {"epoch": 0, "step": 0, "accuracy": 0.1},
        {"epoch": 1, "step": 4, "accuracy": 0.2, "loss": 13.5, "probe": 1.5},
        {"epoch": 2, "step": 8, "accuracy": 0.4, "loss": 1.5, "probe": 5.5},
        {"epoch": 3, "step": 12, "accuracy": 0.3, "loss": 21.5, "probe": 9.5},
    ]


@pytest.mark.parametrize(
    ("every", "means"),
    [
        (2, [1.0, 5.0, 9.0]),  # 0 2 | 4 6 | 8 10
        (3, [1.5, 6.0, 9.0]),  # 0 3 | 6 | 9
        (5, [0.0, 5.0, 10.0]),
        (6, [0.0, 6.0, None]),
        (100, [0.0, None, None]),
    ],
)
def test_a_probe_on_every_kth_step_is_averaged_over_the_steps_it_has(
    every: int, means: list[float | None]
) -> None:
    training = fake_training(every=every)
    assert [row.get("probe") for row in epoch_rows(training, 0)[1:]] == means
    measured = [row["step"] for row in step_rows(training, 0) if "probe" in row]
    assert measured == list(range(0, 12, every))


@pytest.mark.parametrize("epochs", [0, 1, 2])
def test_only_finished_epochs_have_a_row(epochs: int) -> None:
    training = fake_training(epochs=epochs)
    assert [row["epoch"] for row in epoch_rows(training, 0)] == list(range(epochs + 1))
    training.index += PER_EPOCH - 1
    assert len(epoch_rows(training, 0)) == epochs + 1
