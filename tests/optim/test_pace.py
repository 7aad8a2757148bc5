"""Learning-rate schedules and clipping against torch's own."""

import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from reference_students import Recorder, student
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    LinearLR,
    LRScheduler,
    SequentialLR,
)

from subliminal.optim.adam import Adam
from subliminal.optim.pace import SCHEDULES, Paced
from subliminal.optim.sgd import SGD
from subliminal.training.loop import fit


def scheduler(
    optimizer: torch.optim.Optimizer, schedule: str, warmup: int, steps: int
) -> LRScheduler:
    rest = steps - warmup
    after: LRScheduler
    if schedule == "constant":
        after = ConstantLR(optimizer, factor=1.0)
    elif schedule == "cosine":
        after = CosineAnnealingLR(optimizer, T_max=rest)
    else:
        after = LinearLR(optimizer, start_factor=1.0, end_factor=0.0, total_iters=rest)
    if warmup == 0:
        return after
    rise = LinearLR(optimizer, start_factor=1 / (warmup + 1), total_iters=warmup)
    return SequentialLR(optimizer, [rise, after], milestones=[warmup])


@given(st.sampled_from(SCHEDULES), st.integers(0, 30), st.integers(1, 60))
def test_a_pace_is_that_of_torchs_schedulers(schedule: str, warmup: int, rest: int) -> None:
    steps = warmup + rest
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    theirs = scheduler(optimizer, schedule, warmup, steps)
    ours = Paced(schedule=schedule, warmup=warmup)
    for index in range(steps):
        assert ours.pace(index, steps) == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-9)
        with warnings.catch_warnings():  # the optimizer takes no step, and SequentialLR's is old
            warnings.simplefilter("ignore")
            theirs.step()
    assert ours.varies == (schedule != "constant" or warmup > 0)


ADAM = {"lr": 3e-3, "betas": [0.9, 0.999], "eps": 1e-5}
CASES: list[tuple[object, Callable[[list[torch.Tensor]], torch.optim.Optimizer]]] = [
    (
        Adam(**ADAM, weight_decay=0.1, schedule="cosine", warmup=3, clip=0.05),  # type: ignore[arg-type]
        lambda p: torch.optim.AdamW(p, lr=3e-3, eps=1e-5, weight_decay=0.1),
    ),
    (
        SGD(lr=0.5, momentum=0.9, schedule="linear", clip=0.05),
        lambda p: torch.optim.SGD(p, lr=0.5, momentum=0.9),
    ),
]


@pytest.mark.parametrize(("optim", "theirs"), CASES)
def test_a_student_moves_as_torchs_optimizer_and_scheduler_move_it(
    optim: Adam | SGD, theirs: Callable[[list[torch.Tensor]], torch.optim.Optimizer]
) -> None:
    recorder = Recorder()
    training = student((0, 3), optim=optim)
    fit(training, [recorder])
    shortened = 0
    for row in (0, 1):
        theta = recorder.steps[0].theta[row].clone()
        optimizer = theirs([theta])
        schedule = scheduler(optimizer, optim.schedule, optim.warmup, training.steps)
        for seen in recorder.steps:
            assert seen.theta[row].numpy() == pytest.approx(theta.numpy(), abs=3e-6)
            theta.grad = seen.gradient[row].clone()
            length = torch.nn.utils.clip_grad_norm_([theta], 0.05)
            shortened += int(length > 0.05)
            assert seen.applied[row].numpy() == pytest.approx(theta.grad.numpy(), abs=1e-7)
            optimizer.step()
            schedule.step()
        assert training.theta[row].numpy() == pytest.approx(theta.numpy(), abs=3e-6)
    assert shortened > 0


def test_a_constant_pace_is_the_plain_step_to_the_last_bit() -> None:
    plain, same = (student((1,), optim=SGD(lr=0.5, momentum=0.9, clip=c)) for c in (None, 1e6))
    for training in (plain, same):
        fit(training)
    assert np.array_equal(plain.theta, same.theta)
