"""What a defence does to a step, on students that are known."""

from dataclasses import dataclass, replace

import pytest
import torch
from reference_students import LIMINAL, NETWORK, UPDATE_PROJECTION, logged, student
from torch import Tensor

from subliminal.mitigations import Mitigation
from subliminal.probes.activity import Activity
from subliminal.state import Step
from subliminal.training.loop import fit


@dataclass(frozen=True)
class Half(Mitigation):
    """Freezes half of the parameters from the second epoch on, and moves the teacher."""

    def gradient(self, gradient: Tensor, step: Step) -> Tensor:
        if step.index < step.training.steps_per_epoch:
            return gradient
        assert step.training.teacher is not None
        step.training.teacher.mul_(1.01)
        return gradient * 0

    def update(self, update: Tensor, step: Step) -> Tensor:
        return update if step.index < step.training.steps_per_epoch else update * 0


def test_a_plain_student_is_not_changed_and_moves() -> None:
    training = student((0, 3))
    fit(training, [Activity()])
    assert not logged(training, "activity/changed").any()
    assert (logged(training, "activity/gradient") > 0).all()
    moved = logged(training, "activity/moved")
    classes = (
        NETWORK.classes * 9 / sum(torch.Size(s).numel() for s in NETWORK.layout.shapes.values())
    )
    assert moved[-1] == pytest.approx([1 - classes] * 2, abs=0.08)  # no gradient of class logits
    ways = logged(training, "activity/teacher")
    assert len(ways) == 3
    assert (ways == ways[0]).all()


@pytest.mark.parametrize("mitigation", [LIMINAL, replace(UPDATE_PROJECTION, sign="both")])
def test_penalties_and_projections_change_steps(mitigation: Mitigation) -> None:
    training = student((0,), mitigations=[mitigation])
    fit(training, [Activity()])
    changed = logged(training, "activity/changed")
    assert changed.mean() > 0.4
    assert len(changed) == training.steps


def test_a_mask_and_a_teacher_that_moves_are_seen() -> None:
    training = student((0,), mitigations=[Half()])
    fit(training, [Activity()])
    half = training.steps // 2
    for name, still in (("changed", 1.0), ("gradient", 0.0), ("moved", 0.0)):
        values = logged(training, f"activity/{name}")[:, 0]
        assert (values[half:] == still).all()
        assert (values[:half] != still).all()
    ways = logged(training, "activity/teacher")[:, 0]
    assert ways[0] == ways[1]
    assert ways[2] > ways[1]
