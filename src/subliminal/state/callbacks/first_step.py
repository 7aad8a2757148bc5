"""Warnings about a training that can learn nothing, found at its first step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch

from subliminal.state.callbacks import Callback
from subliminal.tensors.geometry import widest

if TYPE_CHECKING:
    from torch import Tensor

    from subliminal.state import Step, Training

WARNING = "warning: "
LOST = 0.5  # relative error in float32 from which on a gradient or an update counts as lost
ALIKE = 1e-6  # pixels that differ by less give logits that differ by rounding


class FirstStep(Callback):
    """Checks the first step of a stack's first seed, in float32 and in float64.

    The findings stay on the device until the epoch ends, so that no step waits for them.

    Args:
        config: the job's, resolved; a warning names its keys.
        notes: receives the warnings.
    """

    def __init__(self, config: Mapping[str, Any], notes: list[str]) -> None:
        self._config, self._notes = config, notes
        self._found: dict[str, Tensor] = {}

    def on_step(self, step: Step) -> None:
        """Check images, loss, gradient and proposed update at the initial θ."""
        if step.index > 0:
            return
        training = step.training
        images = training.task.images(step.rows)[0]
        several = len(images) > 1 or training.task.size == 1  # one image of many proves nothing
        gradient, precisions = step.gradient[:1], (torch.float32, widest(images.device))
        self._found = {
            "images": ((images - images[:1]).abs() <= ALIKE).all() & several,
            "loss": _lost(*(_slope(step, kind) for kind in precisions)),
            "gradient": ~gradient.any(),
            "update": _update_is_lost(training, gradient),
            "update of a unit": _update_is_lost(training, gradient / gradient.norm()),
        }

    def on_update(self, step: Step) -> None:
        """Check whether the update changed the class logits."""
        if step.index > 0:
            return
        training, classes = step.training, step.training.network.classes
        images = training.task.images(step.rows)[:1]
        before, after = (
            training.network.logits(theta[:1], images)[..., :classes]
            for theta in (step.before, training.theta)
        )
        self._found["class logits"] = (before == after).all()

    def on_epoch_end(self, training: Training) -> None:
        """Note the warning, unless the teacher has one, from which its student's follows."""
        found = {name for name, flag in self._found.items() if flag}
        self._found = {}
        if not any(note.startswith(WARNING) for note in self._notes):
            lines = sanity_warnings(training.phase, found, self._config)
            self._notes += [WARNING + line for line in lines]


def sanity_warnings(who: str, found: set[str], config: Mapping[str, Any]) -> Iterator[str]:
    """Yield the first reason why a training changes nothing, if there is one.

    Args:
        who: teacher or student.
        found: the findings of `FirstStep`, by name.
        config: the job's; the warning names the key to blame with its value.
    """
    key, under = ("teacher", "teacher.") if who == "teacher" else ("distill", "")
    node = config[key]
    optim = node["optim"] if under else config["optim"]
    frozen = f"{key}.frozen={node['frozen']}" if node["frozen"] else "model"
    loss = _named(f"{key}.loss", "temperature", node.get("loss", {}))
    if "images" in found and who == "student" and not node["inputs"].get("fresh"):
        yield (
            "distill.inputs: all images are the same one: the student can learn its teacher's "
            "output there and nothing else"
        )
    elif "loss" in found:
        yield (
            f"{loss}: in float32 its gradient is lost in rounding"
            + ", or the teacher's logits are the student's own" * (who == "student")
            + f": the {who} learns nothing"
        )
    elif "gradient" in found:
        yield f"{frozen}: nothing that is trained has a gradient: the {who} learns nothing"
    elif "update" in found:
        # If a gradient of norm 1 is not lost, the loss is to blame and not the optimizer.
        blamed = _named(f"{under}optim", "lr", optim) if "update of a unit" in found else loss
        yield f"{blamed}: in float32 the {who}'s updates are lost in rounding: it learns nothing"
    elif "class logits" in found:
        yield (
            f"{frozen}: what is trained does not reach the class logits: the {who} classifies as "
            "it starts"
        )


def _named(node: str, key: str, values: Mapping[str, Any]) -> str:
    return node if values.get(key) is None else f"{node}.{key}={values[key]:g}"


def _slope(step: Step, kind: torch.dtype) -> Tensor:
    """Return the gradient by the logits of the task's loss, (1, batch, classes + m)."""
    logits = step.logits.detach().to(kind).requires_grad_()
    loss = step.training.task.loss(logits, step.rows).sum()
    slope: Tensor = torch.autograd.grad(loss, logits)[0]
    return slope[:1]


def _update_is_lost(training: Training, gradient: Tensor) -> Tensor:
    """Whether float32 loses the optimizer's first update against `gradient` (1, P)."""
    updates = []
    for kind in (torch.float32, widest(gradient.device)):
        start = training.theta[:1].to(kind)
        theta = start.clone()
        training.optim.build(theta).step(gradient.to(kind))
        updates.append((theta - start) * (1 if training.trainable is None else training.trainable))
    return _lost(*updates)


def _lost(rough: Tensor, exact: Tensor) -> Tensor:
    """Whether most of a float64 tensor is missing in its float32 counterpart."""
    error = (rough.to(exact) - exact).norm()
    kept: Tensor = (error <= LOST * exact.norm()) & exact.any()  # not if NaN
    return ~kept
