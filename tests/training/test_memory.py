"""How many seeds fit on a device."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from omegaconf import DictConfig
from resolved import experiment_of

from subliminal.models.cnn import CNN
from subliminal.models.mlp import MLP
from subliminal.tensors.network import Network
from subliminal.training.experiment import Experiment
from subliminal.training.memory import FIXED, activations, bytes_per_seed, stack_size

CARD = 8 * 2**30
Compose = Callable[[list[str]], DictConfig]


def experiment(compose: Compose, *overrides: str) -> Experiment:
    return experiment_of(compose(["tracker=none", *overrides]))


def test_a_convolution_keeps_far_more_than_its_weights() -> None:
    model = CNN(channels=[32, 64], features=256, aux=3, weights="lecun", chunk=100)
    found = activations(Network.of(model, pixels=784, classes=10))
    maps = 784 + 32 * 784 + 32 * 196 + 64 * 196 + 64 * 49 + 256  # conv, pool, conv, pool, linear
    assert maps < found < 2 * maps


def test_the_size_of_a_stack_counts_images_weights_and_activations(compose: Compose) -> None:
    plain, cnn = experiment(compose), experiment(compose, "model=cnn")
    assert bytes_per_seed(plain, 1024) > 4 * (60_000 * 784 + 16 * plain.network.layout.size)
    assert stack_size(plain, 1024, 1000, CARD) > 2 * stack_size(cnn, 1024, 1000, CARD) > 2
    fitting = stack_size(cnn, 1024, 1000, CARD)
    spare = 0.8 * (CARD - FIXED) - fitting * bytes_per_seed(cnn, 1024)
    assert 0 <= spare < bytes_per_seed(cnn, 1024)  # of four fifths; one seed more would not fit
    assert stack_size(cnn, 8192, 1000, CARD) < fitting
    small = replace(plain, inputs=replace(plain.inputs, size=1024))  # type: ignore[type-var]
    assert stack_size(small, 1024, 1000, CARD) > stack_size(plain, 1024, 1000, CARD)


@pytest.mark.parametrize(("seeds", "total", "expected"), [(3, 80 * 2**30, 3), (3, 2**20, 1)])
def test_a_stack_has_a_seed_and_at_most_all(
    compose: Compose, seeds: int, total: int, expected: int
) -> None:
    assert stack_size(experiment(compose), 1024, seeds, total) == expected


def test_the_count_is_what_autograd_keeps() -> None:
    """Against the real thing: storages that a backward pass of real tensors holds."""
    network = Network.of(MLP(hidden=[12, 8], aux=3), pixels=20, classes=10)
    theta = network.reference((0,), torch.device("cpu"))
    params = {n: v.requires_grad_() for n, v in network.layout.views(theta).items()}
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() != theta.untyped_storage().data_ptr():
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        logits = network.forward(params, torch.rand(1, 50, 20))
    assert sum(kept.values()) == 4 * 50 * activations(network)
    del logits
