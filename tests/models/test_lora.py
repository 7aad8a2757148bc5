"""The low-rank student."""

import numpy as np
import pytest
import torch
from field_checks import check
from reference_students import CPU, DIGITS, NETWORK, forward64, params_of

from subliminal.distill import SharedWeights
from subliminal.distill.init.layers import Layers
from subliminal.errors import UserError
from subliminal.models.lora import LoRA
from subliminal.tensors.network import Network

LOW = Network.of(LoRA(hidden=[12, 8], aux=3, rank=2, alpha=4.0), pixels=20, classes=10)
ADAPTERS = ["lora1", "lora2", "lora3"]


def start() -> torch.Tensor:
    reference = NETWORK.reference((0, 3), CPU)
    init = Layers(default="a", a=[], b=[], own=ADAPTERS)
    init.check(LOW, NETWORK)
    return init.start(LOW, SharedWeights(NETWORK, reference, reference), (0, 3), own="x")


def test_it_starts_as_its_teacher_does() -> None:
    x = DIGITS.scale(DIGITS.test_x[:6])[None]
    reference = NETWORK.reference((0, 3), CPU)
    assert torch.equal(LOW.logits(start(), x), NETWORK.logits(reference, x))


def test_it_computes_with_the_sum_of_weight_and_low_rank_update() -> None:
    theta = start()
    theta += 0.1 * torch.randn_like(theta)
    views = LOW.layout.views(theta)
    x = DIGITS.scale(DIGITS.test_x[:6])
    for column in (0, 1):
        params = {name: view[column].double() for name, view in views.items()}
        for i in (1, 2, 3):
            update = params[f"lora{i}.up"].numpy() @ params[f"lora{i}.down"].numpy()
            assert np.linalg.matrix_rank(update) == 2
            params[f"layer{i}.weight"] += 4 / 2 * torch.from_numpy(update)
        expected = forward64(params, x)
        assert torch.allclose(LOW.logits(theta, x[None])[column].double(), expected, atol=1e-4)
        hidden = LOW.model.activations(views, x[None].expand(2, -1, -1))["layer2"][column].double()
        logits = hidden @ params["layer3.weight"].T + params["layer3.bias"]
        assert torch.allclose(logits, expected, atol=1e-4)


def test_what_is_drawn() -> None:
    theta = LOW.reference((0,), CPU)
    params = LOW.layout.views(theta)
    plain = params_of(NETWORK.reference((0,), CPU))
    assert torch.equal(params["layer1.weight"][0].double(), plain["layer1.weight"])
    assert not params["lora1.up"].any()
    assert params["lora1.down"].std() == pytest.approx(20**-0.5, rel=0.4)  # of 40 numbers


@pytest.mark.parametrize(("key", "value"), [("rank", 0), ("alpha", 0.0)])
def test_bad_values_are_refused(key: str, value: float) -> None:
    values = {"hidden": [4], "aux": 3, "rank": 2, "alpha": 1.0, key: value}
    with pytest.raises(UserError, match=rf"model\.{key}"):
        check(LoRA(**values), "model")  # type: ignore[arg-type]
