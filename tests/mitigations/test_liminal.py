"""The KL penalty against autograd in float64, and its schedules point by point."""

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import reference_students as ref
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import Tensor

from subliminal.errors import UserError
from subliminal.mitigations.liminal import SHAPES, Liminal, weight
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
@example("linear_decay", 0.999, 1, 1.0, 1.0)  # one epoch is all critical period
def test_a_weight_is_between_zero_and_its_ends(
    shape: str, time: float, epochs: int, start: float, peak: float
) -> None:
    value = weight(shape, time, epochs=epochs, start=start, peak=peak)
    assert 0 <= value <= max(start, peak) * (1 + 1e-12)


@pytest.mark.parametrize("epochs", [1, 3, 5, 7, 10])
def test_the_end_anchor_holds_for_the_steps_of_the_last_epoch(epochs: int) -> None:
    steps = 59 * epochs
    times = [step / steps for step in range(steps)]
    weights = [weight("end_anchor", time, epochs=epochs, start=1, peak=1) for time in times]
    assert weights == [0.0] * (steps - 59) + [1.0] * 59
