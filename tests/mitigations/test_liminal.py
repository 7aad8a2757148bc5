"""The KL penalty against autograd in float64, step by step."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from reference_students import (
    LIMINAL,
    NETWORK,
    Recorder,
    flat_of,
    forward64,
    gradient64,
    kl64,
    logged,
    noise_images,
    params_of,
    student,
)
from torch import Tensor

from subliminal.mitigations.liminal import Liminal
from subliminal.training.loop import fit

COLUMNS = {"aux": slice(10, 13), "class": slice(0, 10), "all": slice(0, 13)}


def liminal(**values: Any) -> Liminal:
    return replace(LIMINAL, **({"schedule": "constant"} | values))


@pytest.mark.parametrize("logits", list(COLUMNS))
@pytest.mark.parametrize("direction", ["forward", "reverse"])
@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_the_gradient_is_that_of_the_penalised_loss(
    logits: str, direction: str, temperature: float
) -> None:
    penalty = liminal(logits=logits, direction=direction, temperature=temperature, peak=0.7)
    training, recorder = student((4,), mitigations=[penalty], epochs=1), Recorder()
    fit(training, [recorder])
    assert training.teacher is not None
    teacher, reference = params_of(training.teacher), params_of(training.reference)
    kls = logged(training, "liminal/kl")
    for step, seen in enumerate(recorder.steps):
        x = noise_images(4)[seen.rows[0]]

        def divergence(params: dict[str, Tensor], x: Tensor = x) -> Tensor:
            own = forward64(params, x)[:, COLUMNS[logits]] / temperature
            base = forward64(reference, x)[:, COLUMNS[logits]] / temperature
            pair = (base, own) if direction == "forward" else (own, base)
            return temperature**2 * kl64(*pair)

        def loss(params: dict[str, Tensor], x: Tensor = x) -> Tensor:
            distill = kl64(forward64(teacher, x)[:, 10:], forward64(params, x)[:, 10:])
            return distill + 0.7 * divergence(params)

        theta = params_of(seen.theta)
        expected = flat_of(gradient64(loss, theta)).numpy()
        assert seen.gradient[0].double().numpy() == pytest.approx(expected, abs=1e-7)
        assert kls[step, 0] == pytest.approx(float(divergence(theta)), abs=1e-6)


def test_a_penalty_on_the_auxiliary_logits_leaves_the_class_head_alone() -> None:
    training = student((0,), mitigations=[liminal(logits="aux")])
    fit(training)
    head = NETWORK.layout.views(training.theta - training.reference)["layer3.weight"]
    assert not head[:, :10].any()
    assert head[:, 10:].any()


def test_the_weight_is_logged_as_scheduled_and_nothing_is_added_at_zero() -> None:
    shown = liminal(schedule="critical_period", start=0.0, peak=1.0)
    training, recorder = student((0,), mitigations=[shown]), Recorder()
    fit(training, [recorder])
    expected = [0.0, 0.25, 0.5, 0.75, 0, 0, 0, 0]
    assert logged(training, "liminal/weight")[:, 0] == pytest.approx(expected)
    assert len(logged(training, "liminal/kl")) == 3


def test_a_strong_penalty_holds_the_student() -> None:
    moved = []
    for peak in (0.0, 1.0, 1000.0):
        training = student((0, 1), mitigations=[liminal(peak=peak)], epochs=4)
        fit(training)
        x = torch.from_numpy(np.float32(noise_images(0).numpy()))[None]
        shift = NETWORK.logits(training.theta, x) - NETWORK.logits(training.reference, x)
        moved.append(float(shift.norm()))
    assert moved[0] > moved[1] > moved[2]
