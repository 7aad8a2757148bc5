"""The low-rank student."""

import pytest
import torch
from reference_students import CPU, DIGITS, NETWORK, params_of

from subliminal.distill import SharedWeights
from subliminal.distill.init.layers import Layers
from subliminal.models.lora import LoRA
from subliminal.tensors.network import Network

LOW = Network.of(LoRA(hidden=[12, 8], aux=3, rank=2, alpha=4.0), pixels=20, classes=10)
ADAPTERS = ["lora1", "lora2", "lora3"]


def start() -> torch.Tensor:
    reference = NETWORK.reference((0, 3), CPU)
    init = Layers(default="a", a=[], b=[], own=ADAPTERS)
    init.check(LOW, NETWORK)
    return init.start(LOW, SharedWeights(NETWORK, (0, 3), reference, reference), own="x")


def test_it_starts_as_its_teacher_does() -> None:
    x = DIGITS.scale(DIGITS.test_x[:6])[None]
    reference = NETWORK.reference((0, 3), CPU)
    assert torch.equal(LOW.logits(start(), x), NETWORK.logits(reference, x))


def test_what_is_drawn() -> None:
    theta = LOW.reference((0,), CPU)
    params = LOW.layout.views(theta)
    plain = params_of(NETWORK.reference((0,), CPU))
    assert torch.equal(params["layer1.weight"][0].double(), plain["layer1.weight"])
    assert not params["lora1.up"].any()
    assert params["lora1.down"].std() == pytest.approx(20**-0.5, rel=0.4)  # of 40 numbers
