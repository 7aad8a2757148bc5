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
    for seed in (0, 1):
        ours, theirs, first = (
            {name: view[seed] for name, view in network.layout.views(flat).items()}
            for flat in (training.theta, teacher, start)
        )
        b, b_teacher, b_first = (
            torch.cat([p["layer1.weight"], p["layer1.bias"][:, None]], dim=1)
            for p in (ours, theirs, first)
        )
        x = torch.cat([images[seed], torch.ones(320, 1)], dim=1)
        a, u = torch.linalg.eigh(first["aux.weight"].T @ first["aux.weight"])
        s, v = torch.linalg.eigh(x.T @ x / 320)
        left = (1 - 2 * RATE / 3 * torch.outer(a, s)) ** UPDATES  # of each mode of B_T − B_0
        want = b_teacher - u @ (left * (u.T @ (b_teacher - b_first) @ v)) @ v.T
        assert torch.allclose(b, want, rtol=1e-6, atol=1e-9)
        assert not torch.allclose(b_first, want, rtol=0.1)
        digits = DIGITS.scale(DIGITS.test_x).double()
        moved = torch.cat([digits, torch.ones(len(digits), 1)], dim=1) @ want.T
        logits = moved @ first["class.weight"].T + first["class.bias"]
        assert torch.allclose(
            own.row(seed).logits(training.theta[[seed]], digits[None])[0, :, :10], logits, rtol=1e-6
        )
