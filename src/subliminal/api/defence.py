"""A mitigation in a PyTorch loop of one's own: the package's own step, on any module."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from subliminal.config import groups
from subliminal.config.build import build
from subliminal.config.resources import CONF
from subliminal.errors import UserError, there_is
from subliminal.mitigations import Mitigation
from subliminal.state import Training
from subliminal.state.measurements import Measurements
from subliminal.tensors.layout import Layout
from subliminal.tensors.network import Network, cross_entropy
from subliminal.training.loop import take_step

# Of logits, parameters, gradients and updates alone; the others need layers, or the teacher.
WORKING = (
    *("anchor", "critical_period", "final_noise", "gradient_noise", "l1", "liminal", "projection"),
    *("pruning", "random_projection", "rounding", "update_projection", "warmup_decay"),
)


def defence(name: str, **settings: Any) -> Defence:
    """Return a mitigation for a PyTorch loop of one's own.

    `sl.defence("liminal", peak=3.0)` is `mitigation=liminal mitigation.liminal.peak=3.0`.

    Raises:
        UserError: the mitigation is none of WORKING, or a setting is wrong.
    """
    if name not in WORKING:
        why = "it needs layers or a teacher, of which a plain module tells nothing"
        raise UserError(f"defence: {name}: {why}; {there_is(name, WORKING)}")
    keys = groups.composed([CONF], [f"mitigation={name}"])[0]
    own = {key: value for key, value in keys.items() if key.startswith("mitigation.")}
    node = {key.rpartition(".")[2]: value for key, value in own.items()}
    mitigation: Mitigation = build(node | settings, next(iter(own)).rpartition(".")[0])
    if (batch := getattr(mitigation, "batch", "probe")) != "probe":
        raise UserError(f"defence: batch={batch}: probe is needed, the `trait` of each step")
    return Defence(mitigation)


@dataclass(frozen=True)
class Defence:
    """A mitigation, to be put on a student."""

    mitigation: Mitigation

    def on(
        self,
        module: nn.Module,
        optimizer: torch.optim.Optimizer,
        *,
        epochs: int,
        steps_per_epoch: int,
        classes: int,
        aux: int,
        seed: int = 0,
    ) -> Loop:
        """Return the steps of a student; as it is now, it is the mitigation's reference.

        Args:
            module: the student; maps a batch to logits (batch, classes + aux), classes first.
            optimizer: of its parameters.
            epochs: of the whole training, for schedules; as the next.
            steps_per_epoch: number of batches.
            classes: number of class logits, which show the trait.
            aux: number of the other logits.
            seed: of what the mitigation draws.
        """
        trained = {name: p for name, p in module.named_parameters() if p.requires_grad}
        layout = Layout({name: tuple(p.shape) for name, p in trained.items()})
        reference = copy.deepcopy(module).eval()
        task, trait = (_Batch(reference, steps_per_epoch) for _ in range(2))
        theta = layout.stack([{name: p.detach() for name, p in trained.items()}], 1)
        theta = theta.to(next(iter(trained.values())))
        for parameter, view in zip(trained.values(), layout.views(theta).values(), strict=True):
            parameter.data = view[0]  # from now on a view of θ, so the optimizer moves θ
        student = cast(Any, _Student(module, optimizer, [*trained.values()], layout, aux))
        network = Network(student, 0, classes, layout)
        self.mitigation.check(network)
        training = Training(
            *("student", (seed,), network, cast(Any, task), cast(Any, trait), theta.clone(), theta),
            *(epochs, 1, student, [self.mitigation]),
        )
        return Loop(training, task, trait)


@dataclass(frozen=True)
class Loop:
    """The steps of one student, in place of `loss.backward()` and `optimizer.step()`."""

    training: Training
    _task: _Batch
    _trait: _Batch

    def step(
        self,
        inputs: Tensor,
        loss: Callable[[Tensor], Tensor],
        trait: tuple[Tensor, Tensor] | None = None,
    ) -> dict[str, float]:
        """Take one step; return the loss without penalties, and what the mitigation logs.

        Args:
            inputs: the batch.
            loss: maps the student's logits on it, (batch, classes + aux), to a scalar.
            trait: labelled inputs and their labels (n,), on which projections take the gradient.

        Raises:
            UserError: the mitigation needs `trait`, or all epochs are over.
        """
        training, classes = self.training, self.training.network.classes
        if training.index >= training.steps:  # no schedule says what follows
            raise UserError(f"step: all {training.steps} steps are done; epochs=… may name more")
        self._task.inputs, self._task.criterion, self._trait.inputs = inputs, loss, None
        if trait is not None:
            self._trait.inputs, labels = trait
            self._trait.criterion = lambda z: cross_entropy(z[None], labels[None], classes)[0]
        training.metrics = Measurements()
        rows = torch.zeros(1, 1, dtype=torch.long, device=training.theta.device)
        take_step(training, (), rows, rows, torch.empty_like(training.theta))
        values = {name: v for row in training.metrics.sync() for name, v in row.values.items()}
        return {"loss": self._task.last} | {name: float(v[0]) for name, v in values.items()}


@dataclass
class _Batch:
    """The task of one step: the batch and the loss that the loop has."""

    reference: nn.Module
    size: int  # steps of an epoch, each of one batch
    inputs: Tensor | None = None
    criterion: Callable[[Tensor], Tensor] = Tensor.mean
    last: float = 0.0

    def images(self, rows: Tensor) -> Tensor:
        if self.inputs is None:
            raise UserError("step: this mitigation needs trait=(inputs, labels)")
        return self.inputs[None]

    def loss(self, logits: Tensor, rows: Tensor) -> Tensor:
        loss = self.criterion(logits[0])
        self.last = float(loss.detach())
        return loss[None]

    @torch.no_grad()
    def reference_logits(self, rows: Tensor) -> Tensor:
        return cast(Tensor, self.reference(self.images(rows)[0]))[None]


@dataclass(frozen=True)
class _Student:
    """The user's module as a model of the package, and the user's optimizer as one of θ."""

    module: nn.Module
    optimizer: torch.optim.Optimizer
    parameters: list[nn.Parameter]  # views of θ
    layout: Layout
    aux: int

    def forward(self, params: Mapping[str, Tensor], x: Tensor) -> Tensor:
        own = {name: value[0] for name, value in params.items()}
        return cast(Tensor, functional_call(self.module, own, (x[0],)))[None]

    def build(self, theta: Tensor) -> _Student:
        return self

    def step(self, gradient: Tensor) -> None:
        views = self.layout.views(gradient).values()
        for parameter, view in zip(self.parameters, views, strict=True):
            parameter.grad = view[0]
        self.optimizer.step()
