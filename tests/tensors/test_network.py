"""The stacked network against torch's own modules, seed by seed."""

import pytest
import torch
from torch.nn import functional as F

from subliminal.models.mlp import MLP
from subliminal.tensors import streams
from subliminal.tensors.network import Network, accuracy, cross_entropy, margin

NETWORK = Network.of(MLP(hidden=[12, 8], aux=3), pixels=20, classes=10)
CPU = torch.device("cpu")


def test_logits_in_batches_are_those_of_one_batch() -> None:
    theta, x = NETWORK.reference((0, 5), CPU), torch.randn(1, 50, 20)
    whole = NETWORK.forward(NETWORK.layout.views(theta), x.expand(2, -1, -1))
    assert torch.allclose(NETWORK.logits(theta, x, batch_size=7), whole, atol=1e-6)


def test_reference_weights_do_not_depend_on_the_stack() -> None:
    both, alone = NETWORK.reference((0, 5), CPU), NETWORK.reference((5,), CPU)
    assert torch.equal(both[1], alone[0])
    other = NETWORK.reference((5,), CPU, stream=streams.STUDENT_INIT)
    assert not torch.equal(other, alone)


@pytest.mark.parametrize("seeds", [1, 3])
def test_cross_entropy_is_torchs_on_the_class_logits(seeds: int) -> None:
    logits, labels = torch.randn(seeds, 40, 13), torch.randint(10, (seeds, 40))
    ours = cross_entropy(logits, labels, 10)
    for row in range(seeds):
        expected = F.cross_entropy(logits[row, :, :10], labels[row])
        assert ours[row].item() == pytest.approx(expected.item(), rel=1e-6)


def test_accuracy_and_margin_by_hand() -> None:
    logits = torch.tensor([[[1.0, 3.0, 9.0], [5.0, 2.0, 0.0]]])  # the last is auxiliary
    labels = torch.tensor([[1, 1]])
    assert accuracy(logits, labels, 2).tolist() == [0.5]
    assert margin(logits, labels, 2).tolist() == [((3 - 1) + (2 - 5)) / 2]
