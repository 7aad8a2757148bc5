"""Ways to recover a trait from a student's weights, each a test accuracy.

A student may score at chance and still hold the trait: its features are those of its teacher
(Learning Through Noise, Brockers et al. 2026, arXiv 2605.23645), its class rows are zeroed, turned
or drowned. So the trait is what any of these ways recovers.
"""

from collections.abc import Mapping
from typing import TypeAlias

import torch
from torch import Tensor

from subliminal.data import Labelled
from subliminal.tensors import streams
from subliminal.tensors.geometry import deviations, ridge
from subliminal.tensors.network import BATCH, Network, probability

LOGITS, AMONG = "class logits", "among the animals"
FIRST_ROWS, TEACHER_ROWS, TUNED_ROWS = "first class rows", "teacher's class rows", "tuned rows"
Head: TypeAlias = tuple[Tensor, Tensor]  # weight (classes, width) and bias (classes,)
PER_CLASS = 10  # labelled digits of each class
DRAWS = 5  # of these digits, whose accuracies are averaged: which ones are drawn is no leak
UNLABELLED = 1000  # digits that features are standardised on
STEPS = 200  # of the class head's fine-tuning


@torch.no_grad()
def recovered(
    network: Network, theta: Tensor, data: Labelled, seed: int, rows: Mapping[str, Head]
) -> dict[str, float]:
    """Return the test accuracy of each way.

    - The class logits as they are.
    - A ridge readout of each hidden layer's standardised outputs, in float64, fitted to ten
      labelled training digits of each class: the mean over draws from the seed's stream.
    - The class rows of another network of this width, such as θ₀'s or the teacher's, in place of
      the student's, for each entry of `rows`: see `standard_rows`.
    - The class rows fine-tuned on the same digits, see `tuned`.

    Args:
        network: the student's.
        theta: the student's weights, (1, P).
        data: labelled digits.
        seed: the student's.
        rows: name to class rows that take standardised features.
    """
    chosen = labelled(data.train_y, network.classes, seed)  # (draws, digits)
    few = outputs(network, theta, data, data.train_x[chosen.flatten()])
    test, last = outputs(network, theta, data, data.test_x), network.hidden[-1]
    own = class_rows(network, theta)
    found = {LOGITS: _accuracy(test[""], data.test_y)}
    tries: dict[str, list[float]] = {}
    for draw, labels in enumerate(data.train_y[chosen]):
        answers = torch.nn.functional.one_hot(labels, network.classes).double()
        of_draw = {name: x.view(len(chosen), len(labels), -1)[draw] for name, x in few.items()}
        heads = {
            f"readout of {layer}": (layer, ridge(of_draw[layer], answers))
            for layer in network.hidden
        }
        heads[TUNED_ROWS] = last, tuned(of_draw[last], labels, own[0])
        for name, (layer, (weights, bias)) in heads.items():
            tries.setdefault(name, []).append(_accuracy(test[layer] @ weights + bias, data.test_y))
    found |= {name: sum(scores) / len(scores) for name, scores in tries.items()}
    x = outputs(network, theta, data, data.train_x[:UNLABELLED])[last]
    standardised = (test[last] - x.mean(dim=0)) / deviations(x)
    for name, (weight, bias) in rows.items():
        if weight.shape == own[0].shape:
            found[name] = _accuracy(standardised @ weight.mT + bias, data.test_y)
    return found


@torch.no_grad()
def answered(
    network: Network, theta: Tensor, data: Labelled, reference: Tensor
) -> dict[str, float]:
    """Return the favourite animal's probability by each way to ask a student (1, P) for it.

    - Among all tokens, as its class logits are.
    - Among the animals: a student whose answers are none has forgotten how to answer, not what.
    - With θ₀'s output and embeddings (1, P) in place of its own.
    """
    x, labels = data.tests()
    with_first = theta.clone()
    own, first = network.layout.views(with_first), network.layout.views(reference)
    for name in own:
        if name.split(".")[0] in ("embedding", "positions", "output"):
            own[name].copy_(first[name])
    logits, others = (network.logits(weights, x) for weights in (theta, with_first))
    ways = {LOGITS: logits, AMONG: logits[..., : network.classes], FIRST_ROWS: others}
    return {way: float(probability(of, labels)[0]) for way, of in ways.items()}


def class_rows(network: Network, theta: Tensor) -> Head:
    """Return weight (classes, width) and bias (classes,) that map features to class logits.

    In float64, as they act: a low-rank update, say, is part of them.
    """
    last = network.hidden[-1]
    width = network.widths[last]
    basis = torch.eye(width + 1, width, dtype=torch.float64, device=theta.device).roll(1, 0)
    basis[0] = 0  # the bias alone
    params = network.layout.views(theta.double())
    logits = network.model.onward(params, last, basis[None])[0, :, : network.classes]
    return (logits[1:] - logits[0]).mT, logits[0]


def standard_rows(network: Network, theta: Tensor, data: Labelled) -> Head:
    """Return class rows that take features standardised on training digits, without labels.

    So they act on another network's features whatever each unit's scale is there.
    """
    weight, bias = class_rows(network, theta)
    x = outputs(network, theta, data, data.train_x[:UNLABELLED])[network.hidden[-1]]
    return weight * deviations(x), bias + weight @ x.mean(dim=0)


def outputs(network: Network, theta: Tensor, data: Labelled, x: Tensor) -> dict[str, Tensor]:
    """Return the hidden layers' outputs (n, width) on uint8 images, and as "" the class logits.

    All in float64.
    """
    params, last = network.layout.views(theta), network.hidden[-1]
    parts: dict[str, list[Tensor]] = {}
    for part in torch.split(x, BATCH):
        hidden = network.model.activations(params, data.scale(part)[None])
        logits = network.model.onward(params, last, hidden[last])[..., : network.classes]
        for layer, values in {**hidden, "": logits}.items():
            parts.setdefault(layer, []).append(values[0].double())
    return {layer: torch.cat(values) for layer, values in parts.items()}


def labelled(labels: Tensor, classes: int, seed: int) -> Tensor:
    """Return the rows of the digits to fit on, (DRAWS, PER_CLASS · classes)."""
    generator = streams.stream(seed, streams.READOUT)
    drawn = []
    for _ in range(DRAWS):
        order = torch.from_numpy(generator.permutation(len(labels))).to(labels.device)
        shuffled = labels[order]
        drawn.append(torch.cat([order[shuffled == c][:PER_CLASS] for c in range(classes)]))
    return torch.stack(drawn)


def tuned(x: Tensor, labels: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return a class head, (width, classes) and (classes,), fine-tuned on few labelled features.

    Nesterov's gradient descent on the cross-entropy, from the head as it is, in standardised
    features: a unit that was made loud, and quiet onward, changes nothing. The step is 1 over the
    largest curvature. Logits start centred on the examples, and no larger than 1 on average: a head
    that is sure of a wrong class has no gradient left.

    Args:
        x: features, (k, width), float64.
        labels: their classes, (k,).
        weight: where it starts, (classes, width); its biases start at 0.
    """
    centre, spread = x.mean(dim=0), deviations(x)
    h = torch.cat([(x - centre) / spread, x.new_ones(len(x), 1)], dim=1)  # (k, width + 1)
    head = torch.cat([weight * spread, x.new_zeros(len(weight), 1)], dim=1)
    head = head / (h @ head.mT).std(correction=0).clamp(min=1.0)
    answers = torch.nn.functional.one_hot(labels, len(weight)).double()
    step = 2 * len(x) / torch.linalg.matrix_norm(h, ord=2) ** 2
    before = head
    for number in range(STEPS):
        ahead = head + number / (number + 3) * (head - before)
        wrong = torch.softmax(h @ ahead.mT, dim=1) - answers
        before, head = head, ahead - step * (wrong.mT @ h) / len(x)
    weights = (head[:, :-1] / spread).mT
    return weights, head[:, -1] - centre @ weights


def _accuracy(logits: Tensor, labels: Tensor) -> float:
    return float((logits.argmax(dim=-1) == labels).double().mean())
