"""The KL penalty against autograd in float64, step by step."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import reference_students as ref
import torch
from torch import Tensor

from subliminal.errors import UserError
from subliminal.mitigations.liminal import Liminal
from subliminal.models.mlp import MLP
from subliminal.tensors.network import Network
from subliminal.training.loop import fit

COLUMNS = {"aux": slice(10, 13), "class": slice(0, 10), "all": slice(0, 13)}


def liminal(**values: Any) -> Liminal:
    return replace(ref.LIMINAL, **({"schedule": "constant"} | values))


@pytest.mark.parametrize("on", ["prompts", "questions"])
@pytest.mark.parametrize("logits", list(COLUMNS))
@pytest.mark.parametrize("direction", ["forward", "reverse"])
@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_the_gradient_is_that_of_the_penalised_loss(
    logits: str, direction: str, temperature: float, on: str
) -> None:
    penalty = liminal(logits=logits, direction=direction, temperature=temperature, peak=0.7, on=on)
    training, recorder = ref.student((4,), mitigations=[penalty], epochs=1), ref.Recorder()
    fit(training, [recorder])
    assert training.teacher is not None
    teacher, reference = ref.params_of(training.teacher), ref.params_of(training.reference)
    kls = ref.logged(training, "liminal/kl")
    for step, seen in enumerate(recorder.steps):
        x = ref.noise_images(4)[seen.rows[0]]
        digits = ref.DIGITS.scale(ref.DIGITS.train_x[seen.trait_rows[0]])
        held = x if on == "prompts" else digits

        def divergence(params: dict[str, Tensor], x: Tensor = held) -> Tensor:
            own = ref.forward64(params, x)[:, COLUMNS[logits]] / temperature
            base = ref.forward64(reference, x)[:, COLUMNS[logits]] / temperature
            pair = (base, own) if direction == "forward" else (own, base)
            return temperature**2 * ref.kl64(*pair)

        def loss(params: dict[str, Tensor], x: Tensor = x) -> Tensor:
            distill = ref.kl64(ref.forward64(teacher, x)[:, 10:], ref.forward64(params, x)[:, 10:])
            return distill + 0.7 * divergence(params)

        theta = ref.params_of(seen.theta)
        expected = ref.flat_of(ref.gradient64(loss, theta)).numpy()
        assert seen.gradient[0].double().numpy() == pytest.approx(expected, abs=1e-7)
        assert kls[step, 0] == pytest.approx(float(divergence(theta)), abs=1e-6)


def test_a_penalty_on_the_auxiliary_logits_leaves_the_class_head_alone() -> None:
    training = ref.student((0,), mitigations=[liminal(logits="aux")])
    fit(training)
    head = ref.NETWORK.layout.views(training.theta - training.reference)["layer3.weight"]
    assert not head[:, :10].any()
    assert head[:, 10:].any()
    network = Network.of(MLP(hidden=[8], aux=1), pixels=20, classes=10)
    liminal(logits="all").check(network)
    with pytest.raises(
        UserError, match=r"^mitigation\.liminal\.logits=aux: the softmax of 1 logit"
    ):
        liminal(logits="aux").check(network)


def test_the_weight_is_logged_as_scheduled_and_nothing_is_added_at_zero() -> None:
    shown = liminal(schedule="critical_period", start=0.0, peak=1.0)
    training, recorder = ref.student((0,), mitigations=[shown]), ref.Recorder()
    fit(training, [recorder])
    expected = [0.0, 0.25, 0.5, 0.75, 0, 0, 0, 0]
    assert ref.logged(training, "liminal/weight")[:, 0] == pytest.approx(expected)
    assert len(ref.logged(training, "liminal/kl")) == 3


def test_a_strong_penalty_holds_the_student() -> None:
    moved = []
    for peak in (0.0, 1.0, 1000.0):
        training = ref.student((0, 1), mitigations=[liminal(peak=peak)], epochs=4)
        fit(training)
        x = torch.from_numpy(np.float32(ref.noise_images(0).numpy()))[None]
        shift = ref.NETWORK.logits(training.theta, x) - ref.NETWORK.logits(training.reference, x)
        moved.append(float(shift.norm()))
    assert moved[0] > moved[1] > moved[2]
