"""Settings in which nothing can be learned: told before they are trained, with the key to blame.

One step of teacher and student is taken on a few made-up images, from real initial weights, with
autograd, in float32 as the training does and in float64. So it holds for any model, loss and
optimizer, of plug-ins too: a gradient that is zero, or that is mostly rounding, teaches nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace

import numpy as np
import torch
from omegaconf import DictConfig
from torch import Tensor

from subliminal.data import Labelled
from subliminal.distill import Drawn, Fetched, Filled, Inputs, Supervised
from subliminal.optim import Optim
from subliminal.tensors import draws, streams
from subliminal.tensors.network import Network, cross_entropy
from subliminal.training.experiment import Experiment

IMAGES = 16
LOST = 0.5  # relative error from which on a gradient or an update counts as lost
APART = 0.1  # standard deviation of what the made-up teacher's logits have more than the student's
ALIKE = 1e-6  # pixels that differ by less give logits that differ by rounding

CPU = torch.device("cpu")
PRECISIONS = (torch.float32, torch.float64)


def doubts(experiment: Experiment, cfg: DictConfig) -> Iterator[str]:
    """Yield one line for each reason why the student, or its teacher, can learn nothing.

    Args:
        experiment: the objects of the job.
        cfg: its config, for the values that a line names.
    """
    network, teacher_network = experiment.network, experiment.teacher_network
    generator = np.random.default_rng(0)
    digits = torch.from_numpy(generator.integers(0, 256, (IMAGES, network.pixels), dtype=np.uint8))
    labels = torch.arange(IMAGES)[None] % network.classes
    scaled = Labelled(digits, labels[0], digits, labels[0]).scale
    start = network.reference((0,), CPU)
    if experiment.steering is None or experiment.steering.needs_teacher:
        same = teacher_network is network
        yield from _phase(
            "teacher",
            teacher_network,
            start if same else teacher_network.reference((0,), CPU),
            lambda logits: cross_entropy(logits, labels, network.classes),
            scaled(digits)[None],
            experiment.teacher_optim,
            keys=_keys("teacher", cfg.teacher, cfg.teacher.optim),
        )
    images = _drawn(experiment.inputs, digits)
    images = (scaled(images) if images.dtype == torch.uint8 else images)[None]
    alike = bool(((images - images[:, :1]).abs() <= ALIKE).all())
    if alike or (experiment.inputs.size == 1 and not experiment.inputs.fresh):
        yield (
            "distill.inputs: all images are the same one: the student can learn its teacher's "
            "output there and nothing else"
        )
        return
    noise = generator.normal(size=(1, IMAGES, network.classes + network.model.aux))
    apart = APART * torch.from_numpy(noise)
    yield from _phase(
        "student",
        network,
        start,
        _distill_loss(experiment, _forward(network, start, images) + apart, labels),
        images,
        experiment.optim,
        keys=_keys("distill", cfg.distill, cfg.optim),
    )


@dataclass(frozen=True)
class _Keys:
    """What a line names: keys and their values."""

    loss: str
    frozen: str
    optim: str
    layers: Sequence[str]  # that are frozen


def _keys(phase: str, node: DictConfig, optim: DictConfig) -> _Keys:
    temperature = node.get("loss", {}).get("temperature")
    lr = optim.get("lr")
    return _Keys(
        loss=f"{phase}.loss" + ("" if temperature is None else f".temperature={temperature:g}"),
        frozen=f"{phase}.frozen={list(node.frozen)}" if node.frozen else "model",
        optim=("teacher." if phase == "teacher" else "")
        + ("optim" if lr is None else f"optim.lr={lr:g}"),
        layers=list(node.frozen),
    )


def _phase(
    who: str,
    network: Network,
    theta: Tensor,
    loss: Callable[[Tensor], Tensor],
    images: Tensor,
    optim: Optim,
    *,
    keys: _Keys,
) -> Iterator[str]:
    """Yield the first reason why a training changes nothing, if there is one.

    Args:
        who: teacher or student.
        network: what is trained.
        theta: where from, (1, P).
        loss: of its logits (1, batch, classes + m).
        images: (1, batch, pixels).
        optim: the optimizer.
        keys: what to blame.
    """
    leaves = {
        name: view.detach().requires_grad_() for name, view in network.layout.views(theta).items()
    }
    logits = network.model.forward(leaves, images)
    rough, exact = (_slope(loss, logits.detach().to(kind)) for kind in PRECISIONS)
    if _lost(rough, exact):
        yield f"{keys.loss}: in float32 its gradient is lost in rounding: the {who} learns nothing"
        return
    parts = torch.autograd.grad(logits, list(leaves.values()), rough, allow_unused=True)
    trained = 1 - network.layout.mask(keys.layers, keys.frozen)
    gradient = network.layout.flatten(parts, like=theta) * trained
    if not gradient.any():
        yield f"{keys.frozen}: nothing that is trained has a gradient: the {who} learns nothing"
        return
    direction = gradient.double() / gradient.double().norm()
    moved = (theta + 0.01 * theta.norm() * direction).to(theta)
    after = _forward(network, moved, images)
    if torch.equal(after[..., : network.classes], logits[..., : network.classes]):
        yield (
            f"{keys.frozen}: what is trained does not reach the class logits: "
            f"the {who} classifies as it starts"
        )
        return

    def lost(gradient: Tensor) -> bool:
        rough, exact = (_update(optim, theta.to(kind), gradient.to(kind)) for kind in PRECISIONS)
        return _lost(rough * trained, exact * trained)

    if lost(gradient):
        # Is it the optimizer, or would a gradient of a common size do?
        key = keys.optim if lost(direction) else keys.loss
        yield (
            f"{key}: in float32 the {who}'s updates are lost in rounding "
            f"(its gradient's norm is {gradient.norm():.2g}): it learns nothing"
        )


def _drawn(inputs: Inputs, digits: Tensor) -> Tensor:
    """Return a few distillation images, or digits in place of such as lie in files."""
    resizable = is_dataclass(inputs) and "size" in {item.name for item in fields(inputs)}
    if not resizable or isinstance(inputs, Fetched):
        return digits
    few: Inputs = replace(inputs, size=IMAGES)  # type: ignore[type-var]
    if isinstance(few, Filled):
        images = torch.empty(1, IMAGES, digits.shape[1])
        few.fill(images, draws.OnHost((0,), images.device).noise(streams.INPUTS, epoch=0))
        return images[0]
    if isinstance(few, Drawn):
        return torch.from_numpy(few.draw(digits.shape[1], generator=np.random.default_rng(0)))
    return digits


def _distill_loss(
    experiment: Experiment, teacher: Tensor, labels: Tensor
) -> Callable[[Tensor], Tensor]:
    loss, classes = experiment.loss, experiment.network.classes
    if isinstance(loss, Supervised):
        return lambda logits: loss.supervised(logits, teacher.to(logits), labels, classes, epoch=0)
    return lambda logits: loss(logits, teacher.to(logits), classes)


@torch.no_grad()
def _forward(network: Network, theta: Tensor, images: Tensor) -> Tensor:
    # Not `network.forward`, which may compile for these shapes.
    return network.model.forward(network.layout.views(theta), images)


def _slope(loss: Callable[[Tensor], Tensor], logits: Tensor) -> Tensor:
    """Return the loss's gradient by the logits, in their precision; zero where it has none."""
    logits = logits.requires_grad_()
    value = loss(logits).sum()
    if not value.requires_grad:
        return torch.zeros_like(logits)
    (slope,) = torch.autograd.grad(value, logits)
    return slope


def _update(optim: Optim, theta: Tensor, gradient: Tensor) -> Tensor:
    """Return the first Δθ, (1, P), in the precision of θ."""
    after = theta.clone()
    optim.build(after).step(gradient)
    return after - theta


def _lost(rough: Tensor, exact: Tensor) -> bool:
    """Tell whether most of a float64 tensor is missing in its float32 counterpart."""
    error = (rough.double() - exact).norm()
    return not bool(error <= LOST * exact.norm()) or not exact.any()
