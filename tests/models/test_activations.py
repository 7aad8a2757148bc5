"""Hidden activations of every model: what leads to the logits, and where they go on from."""

import pytest
import torch

from subliminal.models import Model
from subliminal.models.cnn import CNN
from subliminal.models.lora import LoRA
from subliminal.models.mlp import MLP
from subliminal.models.split_mlp import SplitMLP
from subliminal.tensors.network import Network

MODELS: dict[str, tuple[Model, tuple[str, ...]]] = {
    "lora": (LoRA(hidden=[12, 8], aux=3, rank=2, alpha=4.0), ("layer1", "layer2")),
    "mlp": (MLP(hidden=[12, 8], aux=3), ("layer1", "layer2")),
    "split_mlp": (
        SplitMLP(hidden=[12, 8, 6], aux=3, weights="torch"),
        ("layer1", "layer2", "layer3"),
    ),
    "cnn": (
        CNN(channels=[4, 6], features=8, aux=3, weights="torch", chunk=2),
        ("conv1", "conv2", "features"),
    ),
}


@pytest.mark.parametrize("name", list(MODELS))
def test_each_hidden_layer_leads_to_the_logits(name: str) -> None:
    model, layers = MODELS[name]
    network = Network.of(model, pixels=64, classes=10)
    assert network.hidden == layers
    theta = network.reference((0, 3), torch.device("cpu"))
    theta += 0.1  # a low-rank update is 0 at the start
    params = network.layout.views(theta)
    x = torch.randn(2, 7, 64, generator=torch.Generator().manual_seed(0))
    outputs = model.activations(params, x)
    assert tuple(outputs) == layers
    for layer, h in outputs.items():
        assert h.min() >= 0
        assert h.shape[:2] == (2, 7)
        logits = model.onward(params, layer, h)
        assert torch.allclose(logits, model.forward(params, x), atol=1e-5)
