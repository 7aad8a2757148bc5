"""Students of a linear network, against the closed form of their gradient descent."""

from dataclasses import replace

import pytest
import torch
from reference_students import DIGITS, student

from subliminal.distill.loss.mse import MSE
from subliminal.models.split_mlp import SplitMLP
from subliminal.optim.sgd import SGD
from subliminal.tensors.forward_mode import Linearised
from subliminal.tensors.network import Network
from subliminal.training.loop import fit
from subliminal.training.tasks import Distillation

RATE, UPDATES = 0.7, 60


@pytest.mark.parametrize("linearised", [False, True])
def test_full_batches_follow_the_closed_form(linearised: bool) -> None:
    """Heads shared and frozen; linearising such a student, linear in what it trains, is nothing."""
    network = Network.of(
        SplitMLP(hidden=[6], aux=3, weights="lecun", activation="identity"), pixels=20, classes=10
    )
    start = network.reference((0, 3), torch.device("cpu")).double()
    teacher, heads = start.clone(), ["class", "aux"]
    teacher += 0.2 * torch.randn_like(teacher) * (1 - network.layout.mask(heads, "")).double()
    base = student((0, 3), optim=SGD(lr=RATE, momentum=0.0), epochs=UPDATES, batch_size=320)
    assert isinstance(base.task, Distillation)
    task = replace(
        base.task, network=network, criterion=MSE(logits="aux"), reference=start, teacher=teacher
    )
    task.start_epoch(0)
    assert task._images is not None
    images = task._images = task._images.double()
    own = Linearised.around(network, start) if linearised else network
    training = replace(base, network=own, task=task, theta=start.clone(), frozen=heads)
    fit(training)
    digits = _with_ones(DIGITS.scale(DIGITS.test_x).double())
    for seed in (0, 1):
        heads_of = {name: view[seed] for name, view in network.layout.views(start).items()}
        b_teacher, b_first = (
            torch.cat([p["layer1.weight"], p["layer1.bias"][..., None]], dim=-1)[seed]
            for p in map(network.layout.views, (teacher, start))
        )
        x = _with_ones(images[seed])
        a, u = torch.linalg.eigh(heads_of["aux.weight"].T @ heads_of["aux.weight"])
        s, v = torch.linalg.eigh(x.T @ x / 320)
        left = (1 - 2 * RATE / 3 * torch.outer(a, s)) ** UPDATES  # of each mode of B_T − B_0
        b = b_teacher - u @ (left * (u.T @ (b_teacher - b_first) @ v)) @ v.T
        got = own.logits(training.theta, digits[None, :, :-1].expand(2, -1, -1))[seed, :, :10]
        want, first = (digits @ of.T @ heads_of["class.weight"].T for of in (b, b_first))
        assert torch.allclose(got, want, rtol=1e-6, atol=1e-9)
        assert (want - first).norm() > 0.1 * first.norm()


def _with_ones(x: torch.Tensor) -> torch.Tensor:
    return torch.cat([x, torch.ones_like(x[:, :1])], dim=1)
