"""The built-in networks, and their laws of initial weights, against torch's own functions."""

from collections.abc import Callable
from math import prod

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional as F

from subliminal.errors import UserError
from subliminal.models import Model
from subliminal.models.cnn import CNN
from subliminal.models.lora import LoRA
from subliminal.models.mlp import MLP
from subliminal.models.split_mlp import SplitMLP
from subliminal.tensors.forward_mode import Linearised
from subliminal.tensors.network import Network

CPU = torch.device("cpu")
THEIRS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "tanh": torch.tanh,
    "gelu": nn.GELU(),
    "sigmoid": torch.sigmoid,
    "identity": lambda h: h,
}


def mlp(**more: object) -> Model:
    return MLP(hidden=[12, 8], aux=3, **more)  # type: ignore[arg-type]


def split(**more: object) -> Model:
    return SplitMLP(hidden=[12, 8], aux=3, **({"weights": "torch"} | more))  # type: ignore[arg-type]


def lora(**more: object) -> Model:
    return LoRA(hidden=[12, 8], aux=3, rank=2, alpha=4.0, **more)  # type: ignore[arg-type]


def cnn(**more: object) -> Model:
    given = {"weights": "torch", "chunk": 2} | more
    return CNN(channels=[4, 6], features=8, aux=3, **given)  # type: ignore[arg-type]


def expected(params: dict[str, Tensor], x: Tensor, act: Callable[[Tensor], Tensor]) -> Tensor:
    """Map (batch, pixels) to logits, layer by layer, in float64."""
    p = {name: value.double() for name, value in params.items()}
    for i in (1, 2, 3):
        if f"lora{i}.up" in p:  # rank 2, α = 4
            p[f"layer{i}.weight"] = (
                p[f"layer{i}.weight"] + 4 / 2 * p[f"lora{i}.up"] @ p[f"lora{i}.down"]
            )
    h = x.double()
    if "conv1.weight" in p:
        h = h.view(len(h), p["conv1.weight"].shape[1], 8, 8)
        for i in (1, 2):
            maps = F.conv2d(h, p[f"conv{i}.weight"], p[f"conv{i}.bias"], padding=1)
            h = F.max_pool2d(act(maps), 2)
        h = act(F.linear(h.flatten(1), p["features.weight"], p["features.bias"]))
    else:
        for i in (1, 2):
            h = act(F.linear(h, p[f"layer{i}.weight"], p[f"layer{i}.bias"]))
    heads = ["layer3"] if "layer3.weight" in p else ["class", "aux"]
    return torch.cat([F.linear(h, p[f"{n}.weight"], p[f"{n}.bias"]) for n in heads], dim=-1)


@pytest.mark.parametrize("colours", [1, 3])
@pytest.mark.parametrize("make", [mlp, split, lora, cnn])
@pytest.mark.parametrize("name", [*THEIRS])
def test_an_activation_is_torchs_wherever_the_network_is_entered(
    name: str, make: Callable[..., Model], colours: int
) -> None:
    network = Network.of(make(activation=name), pixels=colours * 64, classes=10)
    theta = network.reference((0, 3), CPU)
    theta += 0.1 * torch.randn_like(theta)  # biases, and a low-rank update, are 0 at the start
    params = network.layout.views(theta)
    x = torch.randn(2, 5, colours * 64)
    got = network.forward(params, x)
    for seed in (0, 1):
        want = expected({n: v[seed] for n, v in params.items()}, x[seed], THEIRS[name])
        assert torch.allclose(got[seed].double(), want, atol=1e-5)
    outputs = network.model.activations(params, x)
    convolved = ("conv1", "conv2", "features")
    assert (*outputs,) == network.hidden == (convolved if make is cnn else ("layer1", "layer2"))
    for layer, h in outputs.items():
        assert h.shape == (2, 5, network.widths[layer])
        assert torch.allclose(network.model.onward(params, layer, h), got, atol=1e-5)


def scaled(model: Model) -> dict[str, np.ndarray]:
    """Draw weights, each times the root of its fan-in; float64."""
    layout = model.layout(3 * 64, 10)
    drawn = model.initial(layout, generator=np.random.default_rng(0))
    assert {name: v.shape for name, v in drawn.items()} == dict(layout.shapes)
    assert {v.dtype for v in drawn.values()} == {np.dtype(np.float32)}
    fans = {name: prod(layout.shapes[f"{name.split('.')[0]}.weight"][1:]) for name in drawn}
    return {name: v.astype(float) * np.sqrt(fans[name]) for name, v in drawn.items()}


@pytest.mark.parametrize("make", [mlp, split, cnn])
def test_laws_have_the_distributions_that_they_are_named_after(make: Callable[..., Model]) -> None:
    for weights, law in (
        ("lecun", stats.norm(0, 1)),
        ("he", stats.norm(0, 2**0.5)),
        ("torch", stats.uniform(-1, 2)),
    ):
        drawn = scaled(make(weights=weights))
        values = np.concatenate([v.ravel() for n, v in drawn.items() if n.endswith("weight")])
        assert stats.kstest(values, law.cdf).pvalue > 1e-3
        biases = np.concatenate([v.ravel() for n, v in drawn.items() if n.endswith("bias")])
        if weights == "torch":
            assert stats.kstest(biases, law.cdf).pvalue > 1e-3
        else:
            assert not biases.any()
        half = scaled(make(weights=weights, scale=0.5))
        assert all(half[name] == pytest.approx(v / 2, rel=1e-6) for name, v in drawn.items())


def orthogonal_64(shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    """Orthonormalise a normal draw's rows (or columns) one by one, by Gram and Schmidt."""
    drawn = generator.standard_normal(shape, dtype=np.float32).astype(float)
    matrix = drawn.reshape(shape[0], -1)
    vectors = list(matrix if matrix.shape[0] < matrix.shape[1] else matrix.T)
    made: list[np.ndarray] = []
    for vector in vectors:
        rest = vector - sum((v @ vector) * v for v in made)
        made.append(rest / np.linalg.norm(rest))
    found = np.stack(made)
    return (found if matrix.shape[0] < matrix.shape[1] else found.T).reshape(shape)


@pytest.mark.parametrize("make", [mlp, split, cnn])
def test_orthogonal_weights_are_orthonormal_and_uniform(make: Callable[..., Model]) -> None:
    model = make(weights="orthogonal")
    layout = model.layout(3 * 64, 10)
    drawn = model.initial(layout, generator=np.random.default_rng(5))
    generator = np.random.default_rng(5)
    for name, values in drawn.items():
        if name.endswith("bias"):
            assert not values.any()
            continue
        matrix = values.reshape(len(values), -1).astype(float)
        gram = matrix @ matrix.T if len(matrix) < matrix.shape[1] else matrix.T @ matrix
        assert gram == pytest.approx(np.eye(len(gram)), abs=1e-6)
        assert values == pytest.approx(orthogonal_64(values.shape, generator), abs=1e-5)


def test_shapes_of_the_reference_setting() -> None:
    layout = MLP(hidden=[256, 256], aux=3).layout(784, 10)
    assert dict(layout.shapes) == {
        "layer1.weight": (256, 784),
        "layer1.bias": (256,),
        "layer2.weight": (256, 256),
        "layer2.bias": (256,),
        "layer3.weight": (13, 256),
        "layer3.bias": (13,),
    }
    assert layout.parameters == 256 * 785 + 256 * 257 + 13 * 257


def test_chunks_of_a_batch_change_a_cnns_gradient_by_rounding_alone() -> None:
    found = []
    for chunk in (3, 7, 100):
        network = Network.of(cnn(chunk=chunk), pixels=144, classes=10)
        x = torch.randn(2, 7, 144, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        theta = network.reference((0, 3), CPU).double().requires_grad_()
        logits = network.forward(network.layout.views(theta), x)
        found.append((logits, *torch.autograd.grad(logits.square().sum(), theta)))
    for logits, gradient in found[1:]:
        assert torch.allclose(logits, found[0][0], rtol=1e-12)
        assert torch.allclose(gradient, found[0][1], rtol=1e-10)


@pytest.mark.parametrize("linearised", [False, True])
@pytest.mark.parametrize(("make", "pixels"), [(split, 20), (cnn, 144)])
def test_a_seeds_logits_and_gradients_do_not_depend_on_its_neighbours(
    make: Callable[..., Model], pixels: int, linearised: bool
) -> None:
    network = Network.of(make(), pixels=pixels, classes=10)
    x, moved = torch.randn(3, 16, pixels), 0.1 * torch.randn(3, network.layout.size)

    def run(rows: slice) -> tuple[Tensor, Tensor]:
        start = network.reference((0, 3, 5), CPU)[rows]
        theta = (start + moved[rows]).requires_grad_()
        own = Linearised.around(network, start) if linearised else network
        logits = own.forward(network.layout.views(theta), x[rows])
        (gradient,) = torch.autograd.grad(logits.square().sum(), theta)
        return logits, gradient

    together, alone = run(slice(None)), run(slice(1, 2))
    assert torch.equal(together[0][1], alone[0][0])
    assert torch.equal(together[1][1], alone[1][0])


def test_images_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UserError, match="square"):
        cnn().layout(20, 10)
    with pytest.raises(UserError, match=r"model\.channels=\[4, 0\]: one or more numbers ≥ 1"):
        CNN(channels=[4, 0], features=8, aux=3, weights="torch", chunk=2)
    deep = CNN(channels=[1] * 4, features=8, aux=3, weights="torch", chunk=2)
    with pytest.raises(UserError, match=r"model\.channels=\[1, 1, 1, 1\]: at most 3"):
        deep.layout(144, 10)
