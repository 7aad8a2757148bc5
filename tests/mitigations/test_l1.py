"""The L1 penalty against its definition."""

import pytest
import torch
from field_checks import check
from reference_students import Recorder, logged, student

from subliminal.errors import UserError
from subliminal.mitigations.l1 import L1
from subliminal.training.loop import fit


def test_its_gradient_is_the_sign_and_its_size_the_sum_of_absolute_values() -> None:
    recorder = Recorder()
    training = student((1, 4), mitigations=[L1(strength=0.3)], epochs=1)
    fit(training, [recorder])
    again = student((1, 4), epochs=1)
    again.task.start_epoch(0)
    for seen, length in zip(recorder.steps, logged(training, "l1/norm"), strict=True):
        again.theta.copy_(seen.theta)
        _, distill = again.loss_and_gradient(again.task, seen.rows)
        assert torch.allclose(seen.gradient, distill + 0.3 * seen.theta.sign(), atol=1e-6)
        assert length == pytest.approx(seen.theta.double().abs().sum(dim=1).numpy(), rel=1e-5)


def test_a_negative_strength_is_refused() -> None:
    with pytest.raises(UserError, match=r"mitigation\.l1\.strength=-1: a number ≥ 0"):
        check(L1(strength=-1), "mitigation.l1")
