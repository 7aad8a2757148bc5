"""An adaptive teacher's loss, in float64 by hand, and what it teaches its auxiliary logits."""

from collections.abc import Callable
from pathlib import Path

import pytest
import small
import torch
from omegaconf import DictConfig
from reference_students import CPU, DIGITS, NETWORK
from resolved import job_of

from subliminal.tasks.adaptive import Adaptive
from subliminal.tensors import streams
from subliminal.training.tasks import Classification
from subliminal.training.teacher import shared_weights, teacher_weights

Compose = Callable[[list[str]], DictConfig]


def test_the_loss_is_that_of_one_network_in_float64() -> None:
    theta = NETWORK.reference((0, 1), CPU)
    second = Adaptive(scale=0.5, weight=2.0)
    task = Classification(NETWORK, theta, DIGITS, order="o", second=second)
    rows = torch.tensor([[3, 1, 4], [1, 5, 9]])
    images = task.images(rows)
    assert images.shape == (2, 3, 20)  # the digits, once
    logits = NETWORK.logits(theta, images)
    found = task.loss(logits, rows)
    projection = streams.stream(0, streams.ADAPTIVE).normal(size=(10, 3)) / 10**0.5
    for seed in range(2):
        out = logits[seed].double()
        log_p = out[:, :10].log_softmax(dim=1)
        error = out[:, 10:] - 0.5 * out[:, :10] @ torch.from_numpy(projection)
        expected = -log_p[range(3), DIGITS.train_y[rows[seed]]].mean() + 2 * error.square().mean()
        assert float(found[seed]) == pytest.approx(float(expected), rel=1e-5)


def test_the_class_logits_are_no_part_of_its_gradient() -> None:
    logits = torch.randn(1, 4, 13, generator=torch.Generator().manual_seed(0), requires_grad=True)
    loss = Adaptive(scale=1.0, weight=1.0).loss(logits, torch.zeros(1, 4).long(), 10).sum()
    (slope,) = torch.autograd.grad(loss, logits)
    assert not slope[..., :10].any()
    assert slope[..., 10:].any()


def test_the_auxiliary_logits_come_to_tell_of_the_class_logits(
    compose: Compose, tmp_path: Path
) -> None:
    """Of what the projection predicts: nothing at θ₀, most of it after training."""
    words = [*small.OVERRIDES, f"outputs={tmp_path}", "teacher=adaptive", "teacher.epochs=40"]
    job = job_of(
        compose([*words, "teacher.task.scale=1", "teacher.optim.lr=0.003", "model.hidden=[32,32]"])
    )
    experiment = job.experiment
    data, network = experiment.data.load(), experiment.network
    start = shared_weights(job, data, (0,)).teacher
    theta, _ = teacher_weights(job, data, start, (0,))
    projection = streams.stream(0, streams.ADAPTIVE).normal(size=(10, 3)) / 10**0.5

    def told(weights: torch.Tensor) -> float:
        logits = network.logits(weights, data.scale(data.test_x)[None])[0].double()
        target = logits[:, :10] @ torch.from_numpy(projection)
        pair = torch.stack([logits[:, 10], target[:, 0]])
        return float(torch.corrcoef(pair)[0, 1])

    assert told(theta) > 0.8
    assert abs(told(start)) < 0.6
