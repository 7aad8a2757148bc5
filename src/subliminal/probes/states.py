"""The states of teacher and student that probes compare, and the images they compare them on."""

from dataclasses import dataclass

import torch
from torch import Tensor

from subliminal.state import Task, Training
from subliminal.tensors.network import Network


@dataclass(frozen=True)
class State:
    """A network's weights at one time."""

    name: str  # teacher_initial, …
    network: Network
    theta: Tensor  # (seeds, P)


def states(training: Training) -> tuple[State, State, State, State]:
    """Return a student's teacher, initial and trained, and the student, initial and now."""
    assert training.teacher is not None, "only students have a teacher"
    assert training.teacher_reference is not None, "it comes with the teacher"
    network = training.network
    teacher_network = training.teacher_network or network
    return (
        State("teacher_initial", teacher_network, training.teacher_reference),
        State("teacher_final", teacher_network, training.teacher),
        State("student_initial", network, training.reference),
        State("student_final", network, training.theta),
    )


def name(metric: str, a: State, b: State, layer: str) -> str:
    """Return the metric's name for two states of a layer."""
    return f"{metric}/{a.name}-{b.name}/{layer}"


def first_images(training: Training, task: Task, examples: int) -> Tensor:
    """Return the first images of each seed in a task, at most all: (seeds, n, pixels)."""
    rows = torch.arange(min(examples, task.size), device=training.theta.device)
    return task.images(rows.expand(len(training.seeds), -1))


def first_test_digits(training: Training, examples: int | None = None) -> tuple[Tensor, Tensor]:
    """Return the first test digits (1, n, pixels), scaled, and their labels (seeds, n)."""
    assert training.data is not None, "students have the test digits"
    data = training.data
    images, labels = data.tests(examples)
    return images, labels.expand(len(training.seeds), -1)
