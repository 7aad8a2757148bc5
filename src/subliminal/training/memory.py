"""How many seeds fit on a device side by side."""

from collections.abc import Mapping

import torch
from torch import Tensor

from subliminal.tensors.network import BATCH, Network
from subliminal.training.experiment import Experiment

FIXED = 2 * 2**30  # bytes for the device's libraries, the digits, the next images' random bits
USABLE = 0.8  # share of the rest; freed memory is fragmented
ROWS = 16  # flat rows (P,) of a seed: weights, gradients, moments, the probes' own
FLOAT = 4  # bytes


def stack_size(experiment: Experiment, batch_size: int, seeds: int, total: int) -> int:
    """Return how many seeds to train side by side.

    That depends on the device's whole memory, not on what is free of it at the moment: on a GPU the
    last bits of a result depend on the size of its stack.

    Args:
        experiment: the job's objects.
        batch_size: the largest.
        seeds: the most that are wanted.
        total: memory of the device, bytes.
    """
    fitting = int(USABLE * (total - FIXED) / bytes_per_seed(experiment, batch_size))
    return max(1, min(seeds, fitting))


def bytes_per_seed(experiment: Experiment, batch_size: int) -> int:
    """Return the memory of one seed: images, logits, flat rows, activations."""
    networks = (experiment.network, experiment.teacher_network)
    images = experiment.inputs.size * experiment.network.pixels
    outputs = experiment.network.classes + experiment.network.model.aux
    answers = getattr(experiment.data, "new", 1)
    logits = 2 * experiment.inputs.size * answers * outputs  # of the two frozen models
    rows = ROWS * max(network.layout.size for network in networks)
    kept = max(activations(network) for network in networks)
    # Twice: activations and their gradients are held at the same time.
    return FLOAT * (images + logits + rows + 2 * kept * max(batch_size, BATCH))


def activations(network: Network) -> int:
    """Return how many numbers the backward pass of one image needs, without the weights."""
    theta = torch.zeros(1, network.layout.size)  # on "meta", torch would import sympy for it
    params = {n: view.requires_grad_() for n, view in network.layout.views(theta).items()}
    return _saved(network, params, 2) - _saved(network, params, 1)


def _saved(network: Network, params: Mapping[str, Tensor], images: int) -> int:
    """Return how many numbers autograd keeps for the backward pass of some images."""
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage()._cdata] = tensor.untyped_storage().nbytes() // FLOAT
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        x = torch.zeros(1, images, network.pixels)
        logits = network.model.forward(params, x)
    del logits
    return sum(kept.values())
