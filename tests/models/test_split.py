"""The split-head models against PyTorch's own modules."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from field_checks import check
from scipy import stats
from torch import Tensor, nn

from subliminal.errors import UserError
from subliminal.models import Model
from subliminal.models.cnn import CNN
from subliminal.models.mlp import MLP
from subliminal.models.split_mlp import SplitMLP
from subliminal.tensors.network import Network

CPU = torch.device("cpu")
SPLIT = SplitMLP(hidden=[12, 8], aux=3, weights="lecun")
CONV = CNN(channels=[4, 6], features=8, aux=3, weights="torch", chunk=2)


def params_of(network: Network, theta: Tensor, seed: int) -> dict[str, Tensor]:
    return {name: view[seed] for name, view in network.layout.views(theta).items()}


def load(module: nn.Module, params: dict[str, Tensor], prefix: str) -> nn.Module:
    module.load_state_dict({key: params[f"{prefix}.{key}"] for key in ("weight", "bias")})
    return module


def torch_model(params: dict[str, Tensor], body: nn.Sequential, names: list[str]) -> nn.Module:
    named = [module for module in body if hasattr(module, "weight")]
    for module, name in zip(named, names, strict=True):
        load(module, params, name)

    class Both(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            h = body(x)
            parts = []
            for head in ("class", "aux"):
                out = nn.Linear(h.shape[-1], len(params[f"{head}.bias"]))
                parts.append(load(out, params, head)(h))
            return torch.cat(parts, dim=-1)

    return Both()


def test_a_split_mlp_is_two_linear_heads_on_a_perceptron() -> None:
    network = Network.of(SPLIT, pixels=20, classes=10)
    theta = network.reference((0, 3), CPU)
    x = torch.randn(2, 7, 20)
    got = network.forward(network.layout.views(theta), x)
    for seed in (0, 1):
        body = nn.Sequential(nn.Linear(20, 12), nn.ReLU(), nn.Linear(12, 8), nn.ReLU())
        model = torch_model(params_of(network, theta, seed), body, ["layer1", "layer2"])
        assert torch.allclose(got[seed], model(x[seed]), atol=1e-5)


def test_a_split_mlp_is_the_joint_mlp_with_its_last_layer_cut_in_two() -> None:
    joint = Network.of(MLP(hidden=[12, 8], aux=3), pixels=20, classes=10)
    network = Network.of(SPLIT, pixels=20, classes=10)
    params = network.layout.views(network.reference((0, 3), CPU))
    merged = {name: params[name] for name in params if name.startswith("layer")}
    for key in ("weight", "bias"):
        merged[f"layer3.{key}"] = torch.cat([params[f"class.{key}"], params[f"aux.{key}"]], dim=1)
    x = torch.randn(2, 7, 20)
    assert torch.allclose(network.forward(params, x), joint.forward(merged, x), atol=1e-6)


def test_a_cnn_is_pytorchs() -> None:
    network = Network.of(CONV, pixels=144, classes=10)
    theta = network.reference((0, 3), CPU)
    x = torch.randn(2, 7, 144)
    got = network.forward(network.layout.views(theta), x)
    for seed in (0, 1):
        body = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(4, 6, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(54, 8),
            nn.ReLU(),
        )
        model = torch_model(params_of(network, theta, seed), body, ["conv1", "conv2", "features"])
        assert torch.allclose(got[seed], model(x[seed].view(-1, 1, 12, 12)), atol=1e-5)


def test_chunks_of_a_batch_change_a_cnns_gradient_by_rounding_alone() -> None:
    found = []
    for chunk in (3, 7, 100):
        network = Network.of(replace(CONV, chunk=chunk), pixels=144, classes=10)
        x = torch.randn(2, 7, 144, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        theta = network.reference((0, 3), CPU).double().requires_grad_()
        logits = network.forward(network.layout.views(theta), x)
        found.append((logits, *torch.autograd.grad(logits.square().sum(), theta)))
    for logits, gradient in found[1:]:
        assert torch.allclose(logits, found[0][0], rtol=1e-12)
        assert torch.allclose(gradient, found[0][1], rtol=1e-10)


@pytest.mark.parametrize(("model", "pixels"), [(SPLIT, 20), (CONV, 144)])
def test_a_seeds_logits_and_gradients_do_not_depend_on_its_neighbours(
    model: Model, pixels: int
) -> None:
    network = Network.of(model, pixels=pixels, classes=10)
    x = torch.randn(3, 16, pixels)

    def run(rows: slice) -> tuple[Tensor, Tensor]:
        theta = network.reference((0, 3, 5), CPU)[rows].clone().requires_grad_()
        logits = network.forward(network.layout.views(theta), x[rows])
        (gradient,) = torch.autograd.grad(logits.square().sum(), theta)
        return logits, gradient

    together, alone = run(slice(None)), run(slice(1, 2))
    assert torch.equal(together[0][1], alone[0][0])
    assert torch.equal(together[1][1], alone[1][0])


@pytest.mark.parametrize("layer", ["layer1", "class"])
def test_the_two_schemes_have_their_distributions(layer: str) -> None:
    pixels = 400
    drawn = {}
    for scheme in ("lecun", "torch"):
        model = SplitMLP(hidden=[200], aux=200, weights=scheme)
        layout = model.layout(pixels, 200)
        drawn[scheme] = model.initial(layout, generator=np.random.default_rng(1))
    fan_in = pixels if layer == "layer1" else 200
    normal = drawn["lecun"][f"{layer}.weight"].ravel() * fan_in**0.5
    assert stats.kstest(normal, "norm").pvalue > 1e-3
    assert not drawn["lecun"][f"{layer}.bias"].any()
    for key in ("weight", "bias"):
        uniform = drawn["torch"][f"{layer}.{key}"].ravel() * fan_in**0.5
        assert stats.kstest(uniform, "uniform", args=(-1, 2)).pvalue > 1e-3
    reference = nn.Linear(fan_in, 200)
    theirs = reference.weight.detach().numpy().ravel() * fan_in**0.5
    ours = drawn["torch"][f"{layer}.weight"].ravel() * fan_in**0.5
    assert ours.std() == pytest.approx(theirs.std(), rel=0.05)


def test_bad_shapes_are_refused() -> None:
    with pytest.raises(UserError, match="square"):
        CONV.layout(20, 10)
    with pytest.raises(UserError, match=r"model\.channels=\[1, 1, 1, 1\]: at most 3"):
        CNN(channels=[1] * 4, features=8, aux=3, weights="torch", chunk=2).layout(144, 10)
    with pytest.raises(UserError, match=r"model\.chunk=0: at least 1"):
        check(CNN(channels=[1], features=8, aux=3, weights="torch", chunk=0), "model")
    with pytest.raises(UserError, match=r"model\.aux=0"):
        SplitMLP(hidden=[3], aux=0, weights="torch")
    with pytest.raises(UserError, match=r"model\.weights=glorot: one of lecun, he, torch"):
        check(SplitMLP(hidden=[3], aux=1, weights="glorot"), "model")
    with pytest.raises(UserError, match=r"model\.hidden=\[\]"):
        SplitMLP(hidden=[], aux=1, weights="torch")
