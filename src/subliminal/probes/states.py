"""The states of teacher and student that layer by layer measurements compare."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from subliminal.state import Training
from subliminal.tensors.network import Network


@dataclass(frozen=True)
class State:
    """A network's weights at one moment."""

    name: str  # teacher_initial, …
    network: Network
    theta: Tensor  # (seeds, P)


def pairs(training: Training) -> list[tuple[State, State]]:
    """Return the six pairs of teacher and student, each initial and now (of a teacher: trained)."""
    assert training.teacher is not None, "only students have a teacher"
    assert training.teacher_reference is not None, "it comes with the teacher"
    network = training.network
    teacher_network = training.teacher_network or network
    return list(
        combinations(
            [
                State("teacher_initial", teacher_network, training.teacher_reference),
                State("teacher_final", teacher_network, training.teacher),
                State("student_initial", network, training.reference),
                State("student_final", network, training.theta),
            ],
            2,
        )
    )


def name(metric: str, a: State, b: State, layer: str) -> str:
    """Return the metric's name for two states of a layer."""
    return f"{metric}/{a.name}-{b.name}/{layer}"


def inputs(training: Training, examples: int) -> Tensor:
    """Return each seed's first distillation inputs, at most all: (seeds, n, pixels)."""
    rows = torch.arange(min(examples, training.task.size), device=training.theta.device)
    return training.task.images(rows.expand(len(training.seeds), -1))
