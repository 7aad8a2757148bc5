"""Swapped logit distillation, image by image from its definition."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from reference_students import CPU, DIGITS, NETWORK
from scipy.special import log_softmax, rel_entr, softmax
from torch import Tensor

from subliminal.distill.inputs.mnist import MNISTDigits
from subliminal.distill.loss.swapped_logits import SwappedLogits, swapped
from subliminal.training.tasks import Distillation

TEMPERATURES = [1.0, 2.0, 3.5]


def loss(**changed: object) -> SwappedLogits:
    values = {
        "swap": "both",
        "own_from": 2,
        "temperatures": TEMPERATURES,
        "cross_entropy": 0.1,
        "distill": 0.9,
        "aux": 0.5,
    }
    return SwappedLogits(**{**values, **changed})  # type: ignore[arg-type]


def swap_one(logits: np.ndarray, label: int) -> np.ndarray:
    out, top = logits.copy(), int(np.argmax(logits))
    out[top], out[label] = logits[label], logits[top]
    return out


def of_image(student: np.ndarray, teacher: np.ndarray, label: int, swap: str, own: bool) -> float:
    ours, target = student[:10], teacher[:10]
    total = 0.1 * -log_softmax(ours)[label]
    targets = [target if swap == "none" else swap_one(target, label)]
    if own:
        targets.append(swap_one(ours, label))
    for t in TEMPERATURES:
        kls = (rel_entr(softmax(p / t), softmax(ours / t)).sum() for p in targets)
        total += 0.9 * t**2 * sum(kls)
    return float(total + 0.5 * np.mean((student[10:] - teacher[10:]) ** 2))


@given(st.sampled_from(["none", "teacher", "both"]), st.integers(0, 3), st.integers(0, 2**32 - 1))
def test_it_is_its_definition(swap: str, epoch: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    student, teacher = generator.normal(0, 3, (2, 2, 5, 13))
    labels = generator.integers(10, size=(2, 5))
    own = swap == "both" and epoch >= 1
    expected = [
        np.mean([of_image(*row, swap, own) for row in zip(s, t, y, strict=True)])
        for s, t, y in zip(student, teacher, labels, strict=True)
    ]
    s, t, y = (torch.from_numpy(values) for values in (student, teacher, labels))
    found = loss(swap=swap).supervised(s, t, y, 10, epoch=epoch)
    assert found.numpy() == pytest.approx(np.array(expected), rel=1e-9)


def test_a_swap_makes_the_label_the_largest_and_keeps_the_values() -> None:
    logits, labels = torch.randn(3, 40, 10), torch.randint(10, (3, 40))
    after = swapped(logits, labels)
    assert torch.equal(after.argmax(-1), labels)
    assert torch.equal(after.sort(-1).values, logits.sort(-1).values)
    right = logits.argmax(-1) == labels
    assert torch.equal(after[right], logits[right])


def test_the_students_own_target_has_no_gradient() -> None:
    student = torch.randn(1, 6, 13, dtype=torch.float64, requires_grad=True)
    labels = student[..., :10].argmax(-1)  # nothing is swapped: the target is the student itself
    only_own = loss(cross_entropy=0.0, aux=0.0, own_from=1)
    found = only_own.supervised(student, student.detach(), labels, 10, epoch=0)
    (gradient,) = torch.autograd.grad(found.sum(), student)
    assert gradient.abs().max() < 1e-12  # at the minimum of KL in its second argument


def test_images_come_with_their_labels() -> None:
    seen: list[tuple[Tensor, int]] = []

    class Recorder(SwappedLogits):
        def supervised(
            self, student: Tensor, teacher: Tensor, labels: Tensor, classes: int, *, epoch: int
        ) -> Tensor:
            seen.append((labels, epoch))
            return student.sum(dim=(1, 2))

    plain = loss()
    reference = NETWORK.reference((0, 3), CPU)
    task = Distillation(
        NETWORK,
        Recorder(**{name: getattr(plain, name) for name in plain.__dataclass_fields__}),
        MNISTDigits(size=150),
        (0, 3),
        data=DIGITS,
        reference=reference,
        teacher=reference,
    )
    rows = torch.randint(150, (2, 30))
    for epoch in (0, 1):
        task.start_epoch(epoch)
        task.loss(torch.zeros(2, 30, 13), rows)
    (labels, _), (again, second) = seen
    assert second == 1
    assert torch.equal(labels, again)
    everything = DIGITS.scale(DIGITS.train_x)
    for column in (0, 1):
        for image, label in zip(task.images(rows)[column], labels[column], strict=True):
            (place,) = (everything == image).all(dim=1).nonzero().flatten().tolist()
            assert label == DIGITS.train_y[place]
