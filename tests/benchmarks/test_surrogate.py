"""Students that can be differentiated are the package's, and so is their gradient, in float64."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from reference_students import DIGITS, LIMINAL, PROJECTION, student
from surrogate import Surrogate, unrolled
from torch import Tensor

from subliminal.distill.targets.rounded import Rounded
from subliminal.models.mlp import MLP
from subliminal.tensors.network import Network
from subliminal.training.loop import fit
from subliminal.training.tasks import trait


class Double(MLP):
    def forward(self, params: Any, x: Tensor) -> Tensor:
        return super().forward(params, x.double())


@pytest.mark.parametrize("defence", [LIMINAL, PROJECTION, Rounded(levels=2, dither=False)])
def test_the_gradient_through_a_training(defence: Any) -> None:
    real: Any = student(mitigations=[defence], epochs=1)
    network = Network.of(Double(hidden=[12, 8], aux=3), pixels=20, classes=10)
    start, teacher = real.reference.double(), real.teacher.double()
    same = {"network": network, "reference": start, "teacher": teacher}
    real = replace(real, **same, trait=trait(network, start, DIGITS), theta=start.clone())
    real.task = replace(real.task, **same)
    if isinstance(defence, Rounded):
        real.task, real.mitigations = replace(real.task, targets=defence), ()
    fit(real)

    def distance(teacher: Tensor) -> tuple[Tensor, Tensor]:
        return unrolled(Surrogate.of(real), teacher, lambda theta: (theta - real.theta).norm(dim=1))

    assert distance(teacher)[0].max() < 1e-12
    if real.task.targets is None:  # else the identity stands for their slope
        torch.manual_seed(0)
        near, way = teacher + 0.1 * torch.randn_like(teacher), 1e-7 * torch.randn_like(teacher)
        between = (distance(near + way)[0] - distance(near - way)[0]) / 2
        torch.testing.assert_close((distance(near)[1] * way).sum(dim=1), between, rtol=1e-4, atol=0)
