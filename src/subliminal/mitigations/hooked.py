"""Interventions on a hidden layer while the student trains, and only then."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from subliminal.config.hashing import Count
from subliminal.errors import UserError
from subliminal.mitigations import Mitigation
from subliminal.state import Step, Training
from subliminal.tensors.network import Network, Writing


@dataclass(frozen=True, kw_only=True)
class Hooked(Mitigation):
    """The task's gradient is taken through a forward pass that subclasses change at one layer.

    The student that is measured and kept is unchanged. The change is computed from activations of
    teacher and θ₀ on digits, which show the trait: the aware track.

    Attributes:
        layer: the hidden layer, e.g. layer1.
        examples: how many training digits it is computed on, the first ones, ≥ 1.
    """

    where: ClassVar[str]  # the config node to blame

    layer: str
    examples: Count

    def check(self, network: Network) -> None:
        where = f"{self.where}.layer"
        network.check_hidden(self.layer, where)
        every, last = (network.widths[name] for name in (self.layer, network.hidden[-1]))
        if isinstance(network.model, Writing) and every > last:
            raise UserError(
                f"{where}={self.layer}: it holds all tokens of an input, and questions have fewer; "
                f"one of {', '.join(network.hidden[-2:])}"
            )
        if network.dropping is not None:
            raise UserError(
                f"{self.where}: its gradient is of a forward pass without dropout; "
                "set the network's dropout to 0"
            )

    def logits(self, training: Training, images: Tensor) -> Tensor:
        """Return the logits of the changed student, with a graph: (seeds, batch, classes + m)."""
        raise NotImplementedError

    def gradient(self, gradient: Tensor, step: Step) -> Tensor:
        training = step.training
        logits = self.logits(training, training.task.images(step.rows))
        loss = training.task.loss(logits, step.rows)
        step.log(f"{type(self).__name__.lower()}/loss", loss.detach())
        return gradient - step.task_gradient + training.gradient(loss)

    def differences(self, training: Training) -> Tensor:
        """Return the layer's output of the teacher less that of θ₀: (seeds, examples, width)."""
        assert training.teacher is not None, "only students have a teacher"
        network = training.network
        teacher_network = training.teacher_network or network
        rows = torch.arange(min(self.examples, training.trait.size), device=training.theta.device)
        images = training.trait.images(rows.expand(len(training.seeds), -1))
        outputs = []
        with torch.no_grad():
            for of, theta in ((teacher_network, training.teacher), (network, training.reference)):
                outputs.append(of.model.activations(of.layout.views(theta), images))
        theirs, ours = (output.get(self.layer) for output in outputs)
        if theirs is None or ours is None or theirs.shape != ours.shape:
            raise UserError(
                f"{self.where}.layer={self.layer}: the teacher has none, or one of another width"
            )
        return theirs - ours
