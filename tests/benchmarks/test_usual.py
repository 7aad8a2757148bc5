"""The usual loop does the work that it is timed for."""

import torch
from torch import Tensor
from usual import accuracy, model, student_epoch, teacher_epoch


def batches() -> list[tuple[Tensor, Tensor]]:
    """Four classes, told apart by the row of the image that is bright."""
    torch.manual_seed(0)
    labels = torch.arange(64) % 4
    images = torch.randn(64, 1, 28, 28) * 0.1
    for image, label in zip(images, labels, strict=True):
        image[0, 7 * int(label)] += 2
    return [(images[:32], labels[:32]), (images[32:], labels[32:])]


def test_a_teacher_learns_and_its_student_follows_it() -> None:
    data = batches()
    teacher, student = model(), model()
    student.load_state_dict(teacher.state_dict())
    optimizer = torch.optim.Adam(teacher.parameters(), lr=3e-3)
    losses = [teacher_epoch(teacher, optimizer, data) for _ in range(10)]
    assert losses[-1] < losses[0] / 4
    assert accuracy(teacher, data) > 0.9
    optimizer = torch.optim.Adam(student.parameters(), lr=3e-3)
    losses = [student_epoch(student, teacher, optimizer, 2500) for _ in range(3)]  # 3 batches each
    assert losses[-1] < losses[0] / 2
