"""The training loop against a second implementation in float64, and the order of its moments."""

from functools import partial

import numpy as np
import pytest
import torch
from reference_students import (
    DIGITS,
    LIMINAL,
    NETWORK,
    PROJECTION,
    UPDATE_PROJECTION,
    Adam64,
    Recorder,
    flat_of,
    forward64,
    gradient64,
    kl64,
    logged,
    noise_images,
    params_of,
    student,
    trait64,
)
from torch import Tensor

from subliminal.mitigations import Mitigation
from subliminal.optim.adam import Adam
from subliminal.optim.sgd import SGD
from subliminal.probes.alignment import Alignment
from subliminal.state import Step, Training
from subliminal.state.callbacks import Callback
from subliminal.tensors import streams
from subliminal.training.loop import fit
from subliminal.training.tasks import Classification


def move(theta: dict[str, Tensor], update: Tensor) -> None:
    for name, span in NETWORK.layout.spans.items():
        theta[name] = theta[name] + update[span].view(theta[name].shape)


def student64(training: Training, column: int, method: str) -> tuple[Tensor, list[float]]:
    """Train one seed again, in float64: its final weights (P,) and alignment by step."""
    seed = training.seeds[column]
    theta0 = params_of(training.reference, column)
    assert training.teacher is not None
    teacher = params_of(training.teacher, column)
    images, theta = noise_images(seed), dict(theta0)
    adam, cosines = Adam64(), []
    size, batch, epochs = 320, training.batch_size, training.epochs
    step = 0
    for epoch in range(epochs):
        order = streams.stream(seed, streams.STUDENT_ORDER, epoch=epoch).permutation(size)
        trait_order = streams.stream(seed, streams.PROBE_ORDER, epoch=epoch).permutation(size)
        for start in range(0, size, batch):
            x = images[order[start : start + batch]]
            digits = torch.from_numpy(trait_order[start : start + batch])
            t = step / training.steps
            weight = 1.0 if t < 1 / epochs else (1 - t) / (1 - 1 / epochs)

            def loss(params: dict[str, Tensor], x: Tensor = x, weight: float = weight) -> Tensor:
                z = forward64(params, x)
                distill = kl64(forward64(teacher, x)[:, 10:], z[:, 10:])
                penalty = kl64(forward64(theta0, x), z)
                return distill + weight * penalty if method == "liminal" else distill

            g_d = flat_of(gradient64(loss, theta))
            g_t = flat_of(gradient64(partial(trait64, rows=digits), theta))
            cosines.append(float(g_d @ g_t / (g_d.norm() * g_t.norm())))
            if method == "projection" and g_d @ g_t > 0:
                g_d = g_d - (g_d @ g_t) / (g_t @ g_t) * g_t
            update = adam.update(g_d)
            if method == "update_projection" and update @ g_t < 0:
                update = update - (update @ g_t) / (g_t @ g_t) * g_t
            move(theta, update)
            step += 1
    return flat_of(theta), cosines


@pytest.mark.parametrize(
    ("method", "mitigations"),
    [
        ("none", []),
        ("liminal", [LIMINAL]),
        ("projection", [PROJECTION]),
        ("update_projection", [UPDATE_PROJECTION]),
    ],
)
def test_a_student_is_what_a_float64_implementation_gives(
    method: str, mitigations: list[Mitigation]
) -> None:
    training = student((3, 5), mitigations=mitigations)
    fit(training, [Alignment(every=1, layers=False)])
    moved = (training.theta - training.reference).double()
    assert len(logged(training, "alignment/cosine")) == training.steps == 8
    for column in (0, 1):
        theta, cosines = student64(training, column, method)
        error = training.theta[column].double() - theta
        assert float(error.norm()) < 5e-5 * float(moved[column].norm())
        assert logged(training, "alignment/cosine")[:, column] == pytest.approx(cosines, abs=5e-6)


def test_a_teacher_is_what_a_float64_implementation_gives() -> None:
    reference = NETWORK.reference((2,), torch.device("cpu"))
    task = Classification(NETWORK, reference, DIGITS, order=streams.TEACHER_ORDER)
    training = student((2,))
    training = Training(
        "teacher",
        (2,),
        NETWORK,
        task,
        trait=task,
        reference=reference,
        theta=reference.clone(),
        epochs=2,
        batch_size=96,
        optim=training.optim,
    )
    fit(training)
    theta, adam = params_of(reference), Adam64()
    for epoch in range(2):
        order = streams.stream(2, streams.TEACHER_ORDER, epoch=epoch).permutation(320)
        for start in range(0, 320, 96):
            rows = torch.from_numpy(order[start : start + 96])
            update = adam.update(flat_of(gradient64(partial(trait64, rows=rows), theta)))
            move(theta, update)
    moved = (training.theta - reference)[0].double()
    assert float((training.theta[0].double() - flat_of(theta)).norm()) < 1e-4 * float(moved.norm())
    # Cross-entropy of the class logits never reaches the auxiliary head.
    head = NETWORK.layout.views(training.theta - reference)["layer3.weight"]
    assert not head[:, 10:].any()
    assert head[:, :10].any()


def test_the_full_gradient_is_that_of_the_mean_over_all_examples() -> None:
    training = student((1,), batch_size=77)
    training.task.start_epoch(0)
    full = training.full_gradient(training.trait)
    expected = flat_of(
        gradient64(partial(trait64, rows=torch.arange(320)), params_of(training.theta))
    )
    assert full[0].double().numpy() == pytest.approx(expected.numpy(), abs=1e-6)


def test_every_example_is_seen_once_an_epoch_and_the_last_batch_may_be_smaller() -> None:
    training, recorder = student((0, 4), epochs=1), Recorder()
    fit(training, [recorder])
    assert [step.rows.shape[1] for step in recorder.steps] == [96, 96, 96, 32]
    seen = torch.cat([step.rows for step in recorder.steps], dim=1).sort(dim=1).values
    assert torch.equal(seen, torch.arange(320).expand(2, -1))
    assert all(step.rows.shape == step.trait_rows.shape for step in recorder.steps)


class Moments(Callback):
    def __init__(self, fail_at: int | None = None) -> None:
        self.seen: list[str] = []
        self.fail_at = fail_at

    def on_train_start(self, training: Training) -> None:
        self.seen.append(f"start {training.index}")

    def on_step(self, step: Step) -> None:
        if step.index == self.fail_at:
            raise RuntimeError("on purpose")
        self.seen.append(f"step {step.index}")

    def on_update(self, step: Step) -> None:
        self.seen.append(f"update {step.training.index}")

    def on_epoch_end(self, training: Training) -> None:
        self.seen.append(f"epoch {training.index}")

    def on_train_end(self, training: Training) -> None:
        self.seen.append(f"end {training.index}")

    def on_failure(self, training: Training, error: BaseException) -> None:
        self.seen.append(f"failure {training.index} {error}")


def test_the_moments_come_in_order() -> None:
    moments = Moments()
    fit(student((0,), epochs=2, batch_size=200), [moments])
    first = ["start 0", "step 0", "update 1", "step 1", "update 2", "epoch 2"]
    second = ["step 2", "update 3", "step 3", "update 4", "epoch 4", "end 4"]
    assert moments.seen == first + second


def test_a_failure_reaches_every_callback_and_is_raised() -> None:
    before, failing, after = Moments(), Moments(fail_at=1), Moments()
    with pytest.raises(RuntimeError, match="on purpose"):
        fit(student((0,)), [before, failing, after])
    for moments in (before, failing, after):
        assert moments.seen[-1] == "failure 1 on purpose"


def test_mitigations_compose_in_the_order_given() -> None:
    class Add(Mitigation):
        def __init__(self, factor: float, term: float) -> None:
            self.factor, self.term = factor, term

        def gradient(self, gradient: Tensor, step: Step) -> Tensor:
            return self.factor * gradient + self.term

        def update(self, update: Tensor, step: Step) -> Tensor:
            return self.factor * update

    sgd = SGD(lr=0.1, momentum=0.0)
    training = student((0,), mitigations=[Add(2.0, 0.0), Add(1.0, 0.5)], optim=sgd)
    recorder = Recorder()
    fit(training, [recorder])
    for seen in recorder.steps:
        assert torch.equal(seen.applied, 2 * seen.gradient + 0.5)
        assert torch.equal(seen.update, 2 * seen.proposed)
    last = recorder.steps[-1]
    assert torch.equal(training.theta, last.theta + last.update)


def test_trait_loss_and_gradient_are_those_of_the_steps_labelled_batch() -> None:
    training, recorder = student((0, 7)), Recorder()
    fit(training, [recorder])
    for seen in recorder.steps:
        for column in (0, 1):
            rows = seen.trait_rows[column]
            expected = flat_of(
                gradient64(partial(trait64, rows=rows), params_of(seen.theta, column))
            )
            got = seen.trait_gradient[column].double().numpy()
            assert got == pytest.approx(expected.numpy(), abs=1e-6)


def test_padding_never_moves() -> None:
    training = student((0,), mitigations=[LIMINAL, PROJECTION, UPDATE_PROJECTION])
    fit(training)
    assert NETWORK.layout.gaps
    for start, end in NETWORK.layout.gaps:
        assert not training.theta[:, start:end].any()
    assert np.isfinite(training.theta.numpy()).all()


@pytest.mark.parametrize("weight_decay", [0.0, 0.5])
def test_a_frozen_layer_stays_and_the_others_go_as_if_it_had_no_gradient(
    weight_decay: float,
) -> None:
    adam = Adam(lr=3e-3, betas=[0.9, 0.999], eps=1e-6, weight_decay=weight_decay)
    training = student((0, 3), optim=adam)
    training.frozen = ("layer2", "layer3.bias")
    fit(training, [recorder := Recorder()])
    moved = {
        name: bool((training.theta != training.reference)[:, span].any())
        for name, span in NETWORK.layout.spans.items()
    }
    trained = {"layer1.weight", "layer1.bias", "layer3.weight"}
    assert {name for name in moved if moved[name]} == trained
    first = recorder.steps[0]
    free = student((0, 3), optim=adam)
    fit(free, [whole := Recorder()])
    for name, span in NETWORK.layout.spans.items():
        for kind in ("gradient", "trait_gradient"):
            ours, theirs = (getattr(seen, kind)[:, span] for seen in (first, whole.steps[0]))
            assert torch.equal(ours, theirs if moved[name] else torch.zeros_like(theirs))
