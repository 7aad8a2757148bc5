"""One phase of a stack of seeds: its networks, its task, its progress."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from subliminal.data import Labelled
from subliminal.optim import Optim, Optimizer
from subliminal.state.measurements import Measurements
from subliminal.tensors import draws, streams
from subliminal.tensors.draws import Draws
from subliminal.tensors.network import Network


class Task(Protocol):
    """A training set and a loss, for a stack of seeds."""

    order: str  # name of the stream that shuffles it
    size: int  # examples per epoch

    def start_epoch(self, epoch: int) -> None:
        """Prepare the examples of (zero-based) `epoch`."""

    def images(self, rows: Tensor) -> Tensor:
        """Return the images or documents at `rows` (seeds, batch): (seeds, batch, pixels)."""

    def loss(self, logits: Tensor, rows: Tensor) -> Tensor:
        """Return the batch mean loss of logits (seeds, outputs, classes + m): (seeds,).

        An image has one output, a document one for each answer.
        """

    def reference_logits(self, rows: Tensor) -> Tensor:
        """Return the reference model's logits at `rows`: (seeds, outputs, classes + m)."""


@runtime_checkable
class Itemised(Task, Protocol):
    """A task that tells its examples apart."""

    def losses(self, logits: Tensor, rows: Tensor) -> Tensor:
        """Return each example's own loss, whose mean `loss` is: (seeds, batch)."""

    def targets_at(self, rows: Tensor) -> Tensor:
        """Return what is taught at `rows`, NaN where nothing: (seeds, outputs, classes + m)."""


@dataclass
class Training:
    """One phase (teacher or student) of a stack of seeds, and its progress."""

    phase: str
    seeds: tuple[int, ...]
    network: Network
    task: Task
    trait: Task  # labelled digits or questions, in the probes' order
    reference: Tensor  # θ₀, where this training starts: (seeds, P)
    theta: Tensor  # (seeds, P), updated in place
    epochs: int
    batch_size: int
    optim: Optim
    # Of `subliminal.mitigations.Mitigation`, a class that needs this module.
    mitigations: Sequence[Any] = ()
    teacher: Tensor | None = None  # (seeds, P); this and the next in the student phase alone
    teacher_reference: Tensor | None = None  # the teacher's initial weights, (seeds, P)
    teacher_network: Network | None = None  # None: the student's
    frozen: Sequence[str] = ()  # layers that are not trained; their gradients count as zero
    data: Labelled | None = None  # for probes, in the student phase
    order_seed: int | None = None  # of the order of the examples; None: each seed's own
    metrics: Measurements = field(default_factory=Measurements)
    index: int = 0  # updates done
    _kept: dict[str, Tensor] = field(default_factory=dict)  # the tensors of `once`

    @property
    def steps_per_epoch(self) -> int:
        """Steps per epoch; the last batch of an epoch may be smaller."""
        return -(-self.task.size // self.batch_size)

    @property
    def steps(self) -> int:
        """Steps of the whole phase."""
        return self.epochs * self.steps_per_epoch

    @cached_property
    def draws(self) -> Draws:
        """Random numbers of the steps."""
        return draws.of(self.seeds, self.theta.device)

    @cached_property
    def orders(self) -> Draws:
        """Random numbers of the examples' order."""
        return draws.of(streams.pinned(self.seeds, self.order_seed), self.theta.device)

    @cached_property
    def trainable(self) -> Tensor | None:
        """A row (P,), 1 where θ is trained and 0 where it is frozen; None: all is trained."""
        if not self.frozen:
            return None
        return 1 - self.network.layout.mask(self.frozen, "frozen", self.theta.device)

    @cached_property
    def optimizer(self) -> Optimizer:
        """The optimizer of `theta`."""
        return self.optim.build(self.theta)

    @cached_property
    def params(self) -> dict[str, Tensor]:
        """Named leaf tensors (seeds, *shape) on the memory of `theta`."""
        views = self.network.layout.views(self.theta)
        return {name: view.detach().requires_grad_() for name, view in views.items()}

    def dropped(self, images: Tensor, step: int) -> dict[str, Tensor]:
        """Return the factors of dropout in a step on images (seeds, batch, pixels), if any."""
        if self.network.dropping is None:
            return {}
        stream = f"{self.phase}_{streams.DROPOUT}"
        return self.network.dropping.factors(images, self.draws, stream, step=step)

    def gradient(self, loss: Tensor, *, retain_graph: bool = False) -> Tensor:
        """Return ∇θ of loss (seeds,), seed by seed, 0 where it does not depend on θ: (seeds, P)."""
        leaves = list(self.params.values())
        # Seeds share no parameter, so the gradient of the sum holds each seed's own.
        parts = torch.autograd.grad(
            loss.sum(), leaves, retain_graph=retain_graph, allow_unused=True
        )
        flat = self.network.layout.flatten(parts, like=self.theta)
        return flat if self.trainable is None else flat * self.trainable

    def loss_and_gradient(self, task: Task, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return a task's loss (seeds,) and its gradient (seeds, P) on rows (seeds, batch)."""
        loss = task.loss(self.network.forward(self.params, task.images(rows)), rows)
        return loss.detach(), self.gradient(loss)

    def full_gradient(self, task: Task) -> Tensor:
        """Return the gradient (seeds, P) of a task's mean loss over all its examples."""
        total = torch.zeros_like(self.theta)
        everything = torch.arange(task.size, device=self.theta.device).expand(len(self.seeds), -1)
        for rows in torch.split(everything, self.batch_size, dim=1):
            total += self.loss_and_gradient(task, rows)[1] * (rows.shape[1] / task.size)
        return total

    def once(self, name: str, make: Callable[[], Tensor]) -> Tensor:
        """Return the tensor that `make` made on the first call with this name, on the device."""
        if name not in self._kept:
            self._kept[name] = make().to(self.theta.device)
        return self._kept[name]

    def log(self, name: str, values: Tensor) -> None:
        """Log a metric (seeds,) of the network as it is after `index` updates."""
        self.metrics.log(self.index, name, values, of_network=True)
