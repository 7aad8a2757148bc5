"""Warnings about a training that can learn nothing, found at its first step."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from subliminal.state import Step, Training
from subliminal.state.callbacks import Callback
from subliminal.tensors.geometry import widest

WARNING = "warning: "
LOST = 0.5  # relative error in float32 from which on a gradient or an update counts as lost
ALIKE = 1e-6  # pixels that differ by less give logits that differ by rounding


@dataclass
class FirstStep(Callback):
    """Checks the first step of a stack's first seed, in float32 and in float64.

    The findings stay on the device until the epoch ends, so that no step waits for them.
    """

    config: Mapping[str, Any]  # the job's, resolved; a warning names its keys
    notes: list[str]  # receives the warnings
    _found: dict[str, Tensor] = field(default_factory=dict)

    def on_step(self, step: Step) -> None:
        if step.index > 0:
            return
        training = step.training
        images = training.task.images(step.rows)[0]
        several = len(images) > 1 or training.task.size == 1  # one image of many proves nothing
        fresh = training.phase == "teacher" or self.config["distill"]["inputs"].get("fresh")
        gradient, precisions = step.gradient[:1], (torch.float32, widest(images.device))
        self._found = {
            "images": ((images - images[:1]).abs() <= ALIKE).all() & (several and not fresh),
            "loss": _lost(*(_slope(step, kind) for kind in precisions)),
            "gradient": ~gradient.any(),
            "update": _update_is_lost(training, gradient),
        }

    def on_update(self, step: Step) -> None:
        if step.index > 0:
            return
        training, network = step.training, step.training.network.row(0)
        images = training.task.images(step.rows)[:1]
        before, after = (
            network.logits(theta[:1], images)[..., : network.classes]
            for theta in (step.before, training.theta)
        )
        self._found["class logits"] = (before == after).all()

    def on_epoch_end(self, training: Training) -> None:
        """Note the warning, unless the teacher has one, from which its student's follows."""
        found = {name for name, flag in self._found.items() if flag}
        self._found = {}
        if not any(note.startswith(WARNING) for note in self.notes):
            warnings = sanity_warnings(training.phase, self.config)
            self.notes += [WARNING + warnings[name] for name in warnings if name in found][:1]


def sanity_warnings(who: str, config: Mapping[str, Any]) -> dict[str, str]:
    """Return why a training changes nothing, by finding of `FirstStep`; the first one counts.

    Args:
        who: teacher or student.
        config: the job's; a warning names the key to blame with its value.
    """
    key, under = ("teacher", "teacher.") if who == "teacher" else ("distill", "")
    node = config[key]
    frozen = f"{key}.frozen={node['frozen']}" if node["frozen"] else "model"
    loss = _named(f"{key}.loss", "temperature", node.get("loss", {}))
    optim = _named(f"{under}optim", "lr", (node if under else config)["optim"])
    same = ", or the teacher's logits are the student's own" if who == "student" else ""
    return {
        "images": "distill.inputs: all images are the same one: the student can learn its "
        "teacher's output there and nothing else",
        "loss": f"{loss}: in float32 its gradient is lost in rounding{same}: "
        f"the {who} learns nothing",
        "gradient": f"{frozen}: nothing that is trained has a gradient: the {who} learns nothing",
        "update": f"{optim}, {loss}: in float32 the {who}'s updates are lost in rounding: it "
        "learns nothing",
        "class logits": f"{frozen}: what is trained does not reach the class logits: the {who} "
        "classifies as it starts",
    }


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
