"""The penalty on unlike kernels."""

import pytest
import torch
from reference_students import hidden64, hsic_cka, logged, params_of, student

from subliminal.mitigations.kernel_pull import KernelPull
from subliminal.state import Step
from subliminal.training.loop import fit


def test_the_penalty_is_one_less_the_similarity_by_hsic() -> None:
    training = student((0, 3))
    assert training.teacher is not None
    training.task.start_epoch(0)
    rows = torch.arange(96).expand(2, -1)
    logits = training.network.forward(training.params, training.task.images(rows))
    step = Step(training, 0, rows, rows, logits, training.task.loss(logits, rows))
    penalty = KernelPull(strength=0.3).penalty(step)
    assert penalty is not None
    for column in (0, 1):
        x = training.task.images(rows)[column]
        ours = hidden64(params_of(training.theta, column), x)[1].numpy()
        theirs = hidden64(params_of(training.teacher, column), x)[1].numpy()
        expected = 0.3 * (1 - hsic_cka(ours, theirs))
        assert penalty[column].item() == pytest.approx(expected, rel=1e-4)


def last_similarity(strength: float) -> float:
    training = student((0, 3), epochs=4, mitigations=[KernelPull(strength=strength)])
    fit(training)
    return float(logged(training, "kernel_pull/cka")[-4:].mean())


def test_a_pull_brings_the_kernels_together_and_a_push_apart() -> None:
    assert last_similarity(1.0) > last_similarity(1e-6) > last_similarity(-1.0)
