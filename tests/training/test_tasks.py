"""What networks are trained on."""

import pytest
import torch
from reference_students import CPU, DIGITS, NETWORK

from subliminal.data import Labelled
from subliminal.distill import Inputs
from subliminal.distill.inputs.mnist import MNISTDigits
from subliminal.distill.inputs.uniform import Uniform
from subliminal.distill.loss.kl import KL
from subliminal.tensors import streams
from subliminal.training.tasks import Classification, Distillation, gather

STANDARDISED = DIGITS.normalised("mean_std")


def distillation(inputs: Inputs, data: Labelled = DIGITS) -> Distillation:
    reference, loss = NETWORK.reference((0, 3), CPU), KL(logits="aux", temperature=1.0)
    teacher = reference + 0.1
    return Distillation(
        NETWORK, loss, inputs, (0, 3), data=data, reference=reference, teacher=teacher
    )


@pytest.mark.parametrize("data", [DIGITS, STANDARDISED], ids=["unit", "mean_std"])
def test_digits_as_inputs_are_scaled_as_the_teachers(data: Labelled) -> None:
    task = distillation(MNISTDigits(size=320), data)
    task.start_epoch(0)
    shown = task.images(torch.arange(320).expand(2, -1))
    assert shown.dtype == torch.float32
    for column in (0, 1):
        everything = data.scale(data.train_x).tolist()
        assert sorted(shown[column].tolist()) == sorted(everything)


@pytest.mark.parametrize("sets", [1, 3])
def test_gather_picks_rows_of_each_seeds_table(sets: int) -> None:
    table, rows = torch.randn(sets, 20, 4), torch.randint(20, (3, 6))
    picked = gather(table, rows)
    for seed in range(3):
        expected = table[seed if sets > 1 else 0][rows[seed]]
        assert torch.equal(picked[seed], expected)


def test_frozen_logits_are_those_of_the_images_that_are_shown() -> None:
    for fresh in (False, True):
        task = distillation(Uniform(size=64, fresh=fresh))
        rows = torch.randint(64, (2, 10))
        for epoch in (0, 1):
            task.start_epoch(epoch)
            expected = NETWORK.logits(NETWORK.reference((0, 3), CPU), task.images(rows))
            assert torch.allclose(task.reference_logits(rows), expected, atol=1e-6)


def test_fixed_images_stay_and_fresh_ones_are_drawn_each_epoch() -> None:
    rows = torch.arange(64).expand(2, -1)
    for fresh in (False, True):
        task = distillation(Uniform(size=64, fresh=fresh))
        task.start_epoch(0)
        first = task.images(rows).clone()
        task.start_epoch(1)
        assert torch.equal(task.images(rows), first) is not fresh
    assert not torch.equal(first[0], first[1])


@pytest.mark.parametrize("data", [DIGITS, STANDARDISED], ids=["unit", "mean_std"])
def test_digits_are_shown_scaled_with_their_labels(data: Labelled) -> None:
    task = Classification(NETWORK, NETWORK.reference((0,), CPU), data, order=streams.PROBE_ORDER)
    rows = torch.tensor([[5, 17, 5]])
    assert torch.equal(task.images(rows)[0], data.scale(DIGITS.train_x[[5, 17, 5]]))
    sure = torch.full((1, 3, 13), -50.0)
    sure[0, torch.arange(3), DIGITS.train_y[[5, 17, 5]]] = 50.0
    assert task.loss(sure, rows).item() == pytest.approx(0, abs=1e-6)
