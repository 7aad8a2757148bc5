"""Distillation losses against their definitions in float64."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.special import softmax

from subliminal.distill import IGNORED, DistillLoss, select
from subliminal.distill.loss.kl import KL
from subliminal.distill.loss.mse import MSE
from subliminal.distill.loss.standardised_kl import StandardisedKL
from subliminal.distill.loss.tokens import Tokens

COLUMNS = {"aux": slice(10, 13), "class": slice(0, 10), "all": slice(0, 13)}


@given(
    st.sampled_from(list(COLUMNS)), st.sampled_from([0.5, 1.0, 2.0, 6.0]), st.integers(0, 2**32 - 1)
)
def test_kl_is_its_definition(which: str, temperature: float, seed: int) -> None:
    generator = np.random.default_rng(seed)
    student, teacher = generator.normal(0, 3, (2, 2, 5, 13))
    p = softmax(teacher[..., COLUMNS[which]] / temperature, axis=-1)
    q = softmax(student[..., COLUMNS[which]] / temperature, axis=-1)
    expected = temperature**2 * (p * np.log(p / q)).sum(-1).mean(-1)
    loss = KL(logits=which, temperature=temperature)
    ours = loss(torch.from_numpy(student), torch.from_numpy(teacher), 10)
    assert ours.numpy() == pytest.approx(expected, rel=1e-9)
    assert loss(torch.from_numpy(teacher), torch.from_numpy(teacher), 10).tolist() == [0, 0]


def test_kl_of_one_auxiliary_logit_is_zero() -> None:
    loss = KL(logits="aux", temperature=1.0)
    assert loss(torch.randn(1, 4, 11), torch.randn(1, 4, 11), 10).item() == pytest.approx(0)


@pytest.mark.parametrize("which", list(COLUMNS))
def test_mse_is_its_definition(which: str) -> None:
    student, teacher = torch.randn(2, 3, 7, 13, dtype=torch.float64)
    expected = np.square(student.numpy() - teacher.numpy())[..., COLUMNS[which]].mean((-2, -1))
    assert MSE(logits=which)(student, teacher, 10).numpy() == pytest.approx(expected)


@pytest.mark.parametrize("which", list(COLUMNS))
def test_only_the_selected_logits_get_a_gradient(which: str) -> None:
    losses: list[DistillLoss] = [KL(logits=which, temperature=2.0), MSE(logits=which)]
    for loss in losses:
        student = torch.randn(1, 4, 13, requires_grad=True)
        (gradient,) = torch.autograd.grad(loss(student, torch.randn(1, 4, 13), 10).sum(), student)
        reached = gradient.abs().sum(dim=(0, 1)) > 0
        expected = torch.zeros(13, dtype=torch.bool)
        expected[COLUMNS[which]] = True
        assert torch.equal(reached, expected)


def test_select_takes_columns() -> None:
    logits = torch.arange(13.0)
    assert select(logits, "aux", 10).tolist() == [10, 11, 12]
    assert select(logits, "class", 10).tolist() == list(range(10))
    assert select(logits, "all", 10).tolist() == list(range(13))


# Of the language's 94 tokens: animals 0–9, numbers 10–41.
@pytest.mark.parametrize(
    ("which", "kept"), [("all", slice(94)), ("aux", slice(10, 94)), ("numbers", slice(10, 42))]
)
def test_removed_tokens_are_in_no_softmax_and_get_no_gradient(which: str, kept: slice) -> None:
    student = torch.randn(2, 6, 94, dtype=torch.float64, requires_grad=True)
    teacher = torch.randn(2, 6, 94, dtype=torch.float64)
    tokens = torch.randint(10, 42, (2, 6))
    tokens[:, 0] = IGNORED
    q = softmax(student.detach().numpy()[..., kept], axis=-1)
    p = softmax(teacher.numpy()[..., kept], axis=-1)
    chosen = np.take_along_axis(q[:, 1:], tokens[:, 1:, None].numpy() - (kept.start or 0), axis=-1)
    hard = Tokens(logits=which).of_tokens(student, tokens)
    soft = KL(logits=which, temperature=1.0)(student, teacher, 10)
    assert hard.detach().numpy() == pytest.approx(-np.log(chosen).sum((1, 2)) / 6)
    assert soft.detach().numpy() == pytest.approx((p * np.log(p / q)).sum(-1).mean(-1))
    for loss in (hard, soft):
        (gradient,) = torch.autograd.grad(loss.sum(), student)
        reached = gradient.abs().sum(dim=(0, 1)) > 0
        assert reached[kept].all()
        assert reached.sum() == len(range(94)[kept])


@given(st.sampled_from(list(COLUMNS)), st.sampled_from([0.5, 2.0]), st.integers(0, 2**32 - 1))
def test_standardised_kl_is_kl_of_z_scores(which: str, temperature: float, seed: int) -> None:
    generator = np.random.default_rng(seed)
    student, teacher = generator.normal(0, 3, (2, 2, 5, 13))
    p, q = (
        softmax(stats.zscore(z[..., COLUMNS[which]], axis=-1) / temperature, axis=-1)
        for z in (teacher, student)
    )
    expected = temperature**2 * (p * np.log(p / q)).sum(-1).mean(-1)
    loss = StandardisedKL(logits=which, temperature=temperature)
    ours = loss(torch.from_numpy(student), torch.from_numpy(teacher), 10)
    assert ours.numpy() == pytest.approx(expected, rel=1e-6)
    rescaled = loss(torch.from_numpy(7 * student - 3), torch.from_numpy(teacher), 10)
    assert rescaled.numpy() == pytest.approx(expected, rel=1e-6)


def test_standardising_equal_logits_has_a_finite_gradient() -> None:
    student = torch.zeros(1, 4, 13, requires_grad=True)
    loss = StandardisedKL(logits="aux", temperature=1.0)
    (gradient,) = torch.autograd.grad(loss(student, torch.randn(1, 4, 13), 10).sum(), student)
    assert gradient.isfinite().all()
