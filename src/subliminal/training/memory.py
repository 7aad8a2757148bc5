"""How many seeds fit on a device side by side."""

from collections.abc import Mapping

import torch
from torch import Tensor

from subliminal.tensors.network import BATCH, Network
from subliminal.training.experiment import Experiment

# What a device holds besides: its own libraries, the digits, the next images' random bits.
FIXED = 2 * 2**30
USABLE = 0.8  # of the rest; what is freed comes back in pieces
ROWS = 16  # flat rows (P,) of a seed: weights, gradients, moments, what probes gather
FLOAT = 4  # bytes


def stack_size(experiment: Experiment, batch_size: int, seeds: int, total: int) -> int:
    """Return how many of so many seeds to train side by side.

    By the device's whole memory, not by what is free of it at the moment: on a GPU the last bits of
    a result depend on the size of its stack.

    Args:
        experiment: what is trained.
        batch_size: the largest.
        seeds: there are.
        total: memory of the device, bytes.
    """
    fitting = int(USABLE * (total - FIXED) / bytes_per_seed(experiment, batch_size))
    return max(1, min(seeds, fitting))


def bytes_per_seed(experiment: Experiment, batch_size: int) -> int:
    """Return the memory that one seed takes: images, logits, flat rows, activations."""
    networks = (experiment.network, experiment.teacher_network)
    images = experiment.inputs.size * experiment.network.pixels
    outputs = experiment.network.classes + experiment.network.model.aux
    logits = 2 * experiment.inputs.size * outputs  # of the frozen models
    rows = ROWS * max(network.layout.size for network in networks)
    kept = max(activations(network) for network in networks)
    # The gradients of activations are as large as they are, while both are there.
    return FLOAT * (images + logits + rows + 2 * kept * max(batch_size, BATCH))


def activations(network: Network) -> int:
    """Return how many numbers the backward pass of one image needs, all but the weights."""
    theta = torch.zeros(1, network.layout.size)  # on "meta", torch would import sympy for it
    params = {n: view.requires_grad_() for n, view in network.layout.views(theta).items()}
    return _saved(network, params, 2) - _saved(network, params, 1)


def _saved(network: Network, params: Mapping[str, Tensor], images: int) -> int:
    """Return how many numbers are kept for the backward pass of so many images."""
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage()._cdata] = tensor.untyped_storage().nbytes() // FLOAT
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        x = torch.zeros(1, images, network.pixels)
        logits = network.model.forward(params, x)
    del logits
    return sum(kept.values())
