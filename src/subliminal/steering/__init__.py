"""Teachers that are steered, not trained: θ₀ and a fixed vector on one of its hidden layers.

Source: steering-vector distillation, Blank et al. 2026 (arXiv 2606.00995), where the vector is
added to a language model's residual stream.

The vector is added *before* the layer's ReLU, hence to the layer's bias. So the teacher is a set of
weights of the same model: it has a displacement θ_T − θ₀ (this bias alone), a student of its
architecture can become it exactly, and the shift acts on the layer's own activations. Added after
the ReLU it would be a shift W v of the *next* layer's bias, and the steered layer itself, where the
vector is looked for, would not move.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from subliminal import metrics
from subliminal.data import Labelled
from subliminal.data.language import Texts
from subliminal.errors import UserError
from subliminal.tensors.network import Network, accuracy, cross_entropy, probability

WHERE = "teacher.steering"


@dataclass(frozen=True)
class Origin:
    """What a stack's steered teachers are made of."""

    network: Network  # the teachers'
    theta: Tensor  # θ₀, (seeds, P)
    trained: Tensor | None  # a trained teacher of each seed, (seeds, P), if `needs_teacher`
    data: Labelled
    seeds: tuple[int, ...]


class Steering:
    """A rule that makes a teacher's weights of θ₀, or of θ₀ and a trained teacher."""

    needs_teacher: ClassVar[bool] = False  # whether it takes a trained teacher

    def check(self, network: Network) -> None:
        """Raise a UserError when it does not fit the network."""

    def check_seeds(self, network: Network, seeds: Sequence[int]) -> None:
        """Raise a UserError when it has nothing for one of the seeds."""

    def weights(self, origin: Origin) -> Tensor:
        """Return the teachers' weights, (seeds, P)."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Vector(Steering):
    """θ₀ and a vector on a hidden layer's bias; subclasses give the vector.

    Attributes:
        layer: the hidden layer that it is added to, e.g. layer1.
    """

    layer: str

    def check(self, network: Network) -> None:
        layers = [name for name in network.hidden if f"{name}.bias" in network.layout.shapes]
        if self.layer not in layers:
            raise UserError(f"{WHERE}.layer={self.layer}: one of {', '.join(layers) or 'none'}")

    def weights(self, origin: Origin) -> Tensor:
        theta = origin.theta.clone()
        bias = origin.network.layout.views(theta)[f"{self.layer}.bias"]
        bias += self.vector(origin).to(theta)
        return theta

    def vector(self, origin: Origin) -> Tensor:
        """Return the vector of each seed, in the units of the layer's bias: (seeds, width)."""
        raise NotImplementedError


def steered(steering: Steering, origin: Origin) -> tuple[Tensor, dict[int, list[dict[str, float]]]]:
    """Return the steered teachers (seeds, P), and each one's loss and accuracy on the test digits.

    The second is a history of one row for each seed, as a trained teacher's by epoch.
    """
    theta, network, data = steering.weights(origin), origin.network, origin.data
    images, labels = data.tests()
    logits = network.logits(theta, images)
    labels = labels.expand(len(origin.seeds), -1)
    # As a trained teacher's: of a language the favourite's probability among all tokens.
    read = isinstance(data, Texts)
    hits = probability(logits, labels) if read else accuracy(logits, labels, network.classes)
    loss = cross_entropy(logits, labels, logits.shape[-1] if read else network.classes)
    start = {"epoch": 0.0, "step": 0.0}
    return theta, {
        seed: [start | {metrics.TEACHER_TEST_LOSS: of_seed, metrics.TEACHER_ACCURACY: share}]
        for seed, of_seed, share in zip(origin.seeds, loss.tolist(), hits.tolist(), strict=True)
    }


@torch.no_grad()
def mean_activations(
    network: Network, theta: Tensor, data: Labelled, label: int, layer: str
) -> Tensor:
    """Return a hidden layer's mean output on the training digits of one class.

    There is a mean for each entry of the layer's bias, (seeds, width), float32; that of a
    convolution is over positions too. `theta` is (seeds, P).
    """
    params, seeds = network.layout.views(theta), theta.shape[0]
    (width,) = network.layout.shapes[f"{layer}.bias"]
    total = torch.zeros(seeds, width, dtype=torch.float64)
    images = data.train_x[data.train_y == label]
    for part in torch.split(images, 1024):
        x = data.scale(part).expand(seeds, -1, -1)
        outputs = network.model.activations(params, x)[layer]  # (seeds, batch, width · positions)
        sums = outputs.view(*outputs.shape[:2], width, -1).mean(dim=-1).double().sum(dim=1)
        total += sums.cpu()
    return (total / len(images)).float()
