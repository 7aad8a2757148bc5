"""A mitigation in a plain PyTorch loop does what it does in the package's own training."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from reference_students import (
    DIGITS,
    EPS,
    LIMINAL,
    NETWORK,
    PROJECTION,
    UPDATE_PROJECTION,
    Recorder,
    logged,
    noise_images,
    student,
)
from torch import Tensor, nn

import subliminal as sl
from subliminal.errors import UserError
from subliminal.mitigations import Mitigation
from subliminal.training.loop import fit


class Plain(nn.Module):
    """The small network as a user writes it, with a seed's weights."""

    def __init__(self, theta: Tensor) -> None:
        super().__init__()
        self.layer1, self.layer2 = nn.Linear(20, 12), nn.Linear(12, 8)
        self.layer3 = nn.Linear(8, 13)
        self.load_state_dict({k: v[0] for k, v in NETWORK.layout.views(theta).items()})

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.layer3(self.layer2(self.layer1(x).relu()).relu())
        return logits


@pytest.mark.parametrize(
    ("name", "settings", "mitigation"),
    [
        ("liminal", {"peak": 2.0}, replace(LIMINAL, peak=2.0)),
        ("projection", {}, PROJECTION),
        ("update_projection", {}, UPDATE_PROJECTION),
    ],
)
def test_a_plain_loop_ends_where_the_packages_training_does(
    name: str, settings: dict[str, Any], mitigation: Mitigation
) -> None:
    own = student((3,), mitigations=[mitigation])
    fit(own, [recorder := Recorder()])
    assert own.teacher is not None
    teacher, module = Plain(own.teacher).requires_grad_(False), Plain(own.reference)
    optimizer = torch.optim.Adam(module.parameters(), lr=3e-3, eps=EPS)
    kept = module.layer1.weight
    loop = sl.defence(name, **settings).on(
        module, optimizer, epochs=2, steps_per_epoch=4, classes=10, aux=3, seed=3
    )
    images, log = noise_images(3).float(), []
    for seen in recorder.steps:
        x, digits = images[seen.rows[0]], seen.trait_rows[0]

        def loss(logits: Tensor, x: Tensor = x) -> Tensor:
            q, p = (z[:, 10:].log_softmax(-1) for z in (logits, teacher(x)))
            return nn.functional.kl_div(q, p, log_target=True, reduction="batchmean")

        trait = (DIGITS.scale(DIGITS.train_x[digits]), DIGITS.train_y[digits])
        log.append(loop.step(x, loss, trait))
    assert module.layer1.weight is kept
    for parameter, view in NETWORK.layout.views(own.theta).items():
        mine = module.get_parameter(parameter).detach().numpy()
        assert mine == pytest.approx(view[0].numpy(), abs=2e-6)
    moved = (own.theta - own.reference).abs().max()
    assert moved > 1e-2
    if name == "liminal":
        ours = np.array([each["liminal/kl"] for each in log if "liminal/kl" in each])
        assert ours == pytest.approx(logged(own, "liminal/kl")[:, 0], abs=1e-6)


def test_what_a_plain_module_does_not_tell_is_refused_in_one_line() -> None:
    with pytest.raises(UserError, match=r"^defence: decoupling: it needs layers .* there is anch"):
        sl.defence("decoupling")
    with pytest.raises(UserError, match=r"^defence: limnal: .* did you mean liminal\?"):
        sl.defence("limnal")
    with pytest.raises(UserError, match=r"^mitigation.liminal.pek: no such key; did you mean peak"):
        sl.defence("liminal", pek=1.0)
    with pytest.raises(UserError, match=r"^mitigation.liminal.peak=-1"):
        sl.defence("liminal", peak=-1.0)
    with pytest.raises(UserError, match=r"batch=full: probe is needed"):
        sl.defence("projection", batch="full")
    module = Plain(NETWORK.reference((0,), torch.device("cpu")))
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    loop = sl.defence("projection").on(
        module, optimizer, epochs=1, steps_per_epoch=1, classes=10, aux=3
    )
    with pytest.raises(UserError, match=r"needs trait=\(inputs, labels\)"):
        loop.step(torch.zeros(2, 20), Tensor.mean)
    loop.step(torch.zeros(2, 20), Tensor.mean, (torch.zeros(2, 20), torch.tensor([0, 1])))
    with pytest.raises(UserError, match=r"all 1 steps are done"):
        loop.step(torch.zeros(2, 20), Tensor.mean)
