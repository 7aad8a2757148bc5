"""Students whose whole training can be differentiated by their teacher's weights.

A surrogate takes the package's own steps, mitigations included, so that an attacker can train a
teacher through a defended student. Its gradient is compared with finite differences in
tests/benchmarks/test_surrogate.py.
"""

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, Self

import torch
from torch import Tensor

from subliminal.distill.loss.kl import KL
from subliminal.optim.adam import Adam
from subliminal.state import Step, Training
from subliminal.training.loop import batches
from subliminal.training.tasks import Distillation

TINY = 1e-30  # under a root, whose slope at 0 is infinite

Loss = Callable[[Tensor], Tensor]  # of weights: (seeds, P) -> (seeds,)


def _values(made: Any) -> dict[str, Any]:
    return {field.name: getattr(made, field.name) for field in fields(made)}


class Taught(Distillation):
    """Distillation whose loss passes gradients on to the teacher's weights.

    What has no gradient, such as a drawn label, counts as the identity: the loss is that of the
    targets, and its slope that of the teacher's own softmax.
    """

    weights: Tensor  # (seeds, P)

    def loss(self, logits: Tensor, rows: Tensor) -> Tensor:
        """Return the loss, up to the entropy of targets: (seeds,)."""
        network, classes = self.teacher_network or self.network, self.network.classes
        taught = network.forward(network.layout.views(self.weights), self.images(rows))
        given = taught if self.targets is None else self.targets_at(rows)
        if not isinstance(self.criterion, KL) or self.targets is None:
            same = taught if self.targets is None else given + taught - taught.detach()
            return self.criterion(logits, same, classes)  # type: ignore[operator]
        matched = (self.criterion.matched(each, classes) for each in (taught, given, logits))
        own, of_targets, log_q = (torch.log_softmax(each, dim=-1) for each in matched)
        target = of_targets.exp() + own.exp() - own.exp().detach()
        return -(target * log_q).sum(dim=-1).mean(dim=-1)


class Surrogate(Training):
    """A student whose steps can be differentiated by its state and by its teacher's weights."""

    task: Taught
    optim: Adam
    differentiable = True  # whether steps keep their graphs

    @classmethod
    def of(cls, student: Training) -> Self:
        """Return the surrogate of a student that is trained with plain Adam."""
        surrogate = cls(**_values(student) | {"task": Taught(**_values(student.task))})
        optim = surrogate.optim
        assert isinstance(optim, Adam), "after() has Adam's rule"
        assert (optim.weight_decay, optim.varies, optim.clip) == (0, False, None), "as in SETTING"
        return surrogate

    @property
    def params(self) -> dict[str, Tensor]:
        """Views of θ, which each step replaces."""
        return self.network.layout.views(self.theta)

    def gradient(self, loss: Tensor, *, retain_graph: bool = False) -> Tensor:
        """Return ∇θ of loss (seeds,) with its graph: (seeds, P)."""
        (flat,) = torch.autograd.grad(
            loss.sum(), self.theta, create_graph=self.differentiable, retain_graph=True
        )
        return flat if self.trainable is None else flat * self.trainable

    def after(
        self, state: Sequence[Tensor], teacher: Tensor, index: int, batch: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return θ and Adam's moments after step `index`, as `training.loop.take_step` takes it."""
        if (epoch := index // self.steps_per_epoch) != self.index // self.steps_per_epoch:
            self.task.start_epoch(epoch)
        self.theta, first, second = state
        self.task.weights, self.index, (rows, trait_rows) = teacher, index, batch
        logits = self.network.forward(self.params, self.task.images(rows))
        step = Step(self, index, rows, trait_rows, logits, self.task.loss(logits, rows))
        step.total = step.loss
        for mitigation in self.mitigations:
            if (penalty := mitigation.penalty(step)) is not None:
                step.total = step.total + penalty
        step.gradient = step.applied = self.gradient(step.total)
        for mitigation in self.mitigations:
            step.applied = mitigation.gradient(step.applied, step)
        (one, two), number = self.optim.betas, index + 1
        first = first.lerp(step.applied, 1 - one)
        second = (two * second).addcmul(step.applied, step.applied, value=1 - two)
        root = (second + TINY).sqrt() / (1 - two**number) ** 0.5 + self.optim.eps
        update = -self.optim.lr / (1 - one**number) * first / root
        for mitigation in self.mitigations:
            update = mitigation.update(update, step)
        return self.theta + update, first, second


def unrolled(
    student: Surrogate, teacher: Tensor, loss: Loss, start: int = 0, stop: int | None = None
) -> tuple[Tensor, Tensor]:
    """Return the loss after some steps, and its gradient by the teacher.

    States are kept, and steps taken again on the way back, so memory holds the graph of one step.

    Args:
        student: with a teacher of its own, which decides what targets without a gradient are.
        teacher: weights, (seeds, P).
        loss: of the student's weights, seed by seed.
        start: the first step whose dependence on the teacher counts.
        stop: number of steps; None: all.

    Returns:
        The loss (seeds,), the gradient (seeds, P).
    """
    student.task.start_epoch(0)
    student.index = 0
    each = [batch for epoch in range(student.epochs) for batch in batches(student, epoch)][:stop]
    zero = torch.zeros_like(student.reference)
    states = [(student.reference, zero, zero)]
    student.differentiable = False
    for index, batch in enumerate(each):
        theta, *moments = states[-1]
        after = student.after((theta.requires_grad_(), *moments), teacher, index, batch)
        states.append((after[0].detach(), after[1].detach(), after[2].detach()))
    student.differentiable = True
    end = states[-1][0].requires_grad_()
    value = loss(end)
    adjoint = [*torch.autograd.grad(value.sum(), end), zero, zero]
    total = torch.zeros_like(teacher)
    for index in reversed(range(start, len(each))):
        leaves = [part.detach().requires_grad_() for part in (*states[index], teacher)]
        after = student.after(leaves[:3], leaves[3], index, each[index])
        *adjoint, part = torch.autograd.grad(
            after, leaves, adjoint, allow_unused=True, materialize_grads=True
        )
        total += part
    return value.detach(), total
