"""The readout attack: the trait that a few labels bring back from a trained student.

A student may score at chance and still represent the digits as its teacher does (Learning Through
Noise, Brockers et al. 2026, arXiv 2605.23645). By accuracy alone it would count as blocked.
"""

import torch
from torch import Tensor

from subliminal.data import Labelled
from subliminal.tensors import streams
from subliminal.tensors.network import Network
from subliminal.tensors.ridge import fit

PER_CLASS = 10  # labelled digits of each class


@torch.no_grad()
def readout(network: Network, theta: Tensor, data: Labelled, seeds: tuple[int, ...]) -> list[float]:
    """Return each student's accuracy on test digits with a refitted linear readout.

    Ridge regression in float64 from the last hidden layer, centred, to one-hot labels of ten
    training digits of each class, drawn from each seed's stream: closed form, so the same numbers
    on every run.

    Args:
        network: the students' network.
        theta: their weights, (seeds, P).
        data: the digits.
        seeds: their seeds.
    """
    test = network.features(theta, data.test_x, data.scale).double()  # (seeds, n, width)
    accuracies = []
    for row, seed in enumerate(seeds):
        chosen = labelled(data.train_y, network.classes, seed)
        examples = data.train_x[chosen]
        x = network.features(theta[row : row + 1], examples, data.scale)[0].double()  # (k, width)
        y = torch.nn.functional.one_hot(data.train_y[chosen], network.classes).double()
        weights, bias = fit(x, y)
        hits = (test[row] @ weights + bias).argmax(dim=-1) == data.test_y
        accuracies.append(float(hits.double().mean()))
    return accuracies


def labelled(labels: Tensor, classes: int, seed: int) -> Tensor:
    """Return the rows of the digits to fit on, (PER_CLASS · classes,)."""
    generator = streams.stream(seed, streams.READOUT)
    order = torch.from_numpy(generator.permutation(len(labels)))
    shuffled = labels[order]
    return torch.cat([order[shuffled == c][:PER_CLASS] for c in range(classes)])
