"""The training loop: one step for a stack of seeds, observed by callbacks."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from subliminal import streams
from subliminal.callbacks import Callback
from subliminal.checkpoint import Saved, restore
from subliminal.data import Labelled
from subliminal.metrics import Metrics
from subliminal.mitigations import Mitigation
from subliminal.network import Network
from subliminal.optim import Optim
from subliminal.tasks import Task


@dataclass
class Training:
    """One phase (teacher or student) of a stack of seeds, and how far it has come."""

    phase: str
    seeds: tuple[int, ...]
    network: Network
    task: Task
    trait: Task  # labelled digits, in the order that the probes see
    reference: Tensor  # θ₀, where this training starts: (seeds, P)
    theta: Tensor  # (seeds, P), updated in place
    epochs: int
    batch_size: int
    optim: Optim
    mitigations: Sequence[Mitigation] = ()
    teacher: Tensor | None = None  # (seeds, P), in the student phase; with the next:
    teacher_reference: Tensor | None = None  # where the teacher started, (seeds, P)
    teacher_network: Network | None = None  # None: the student's
    frozen: Sequence[str] = ()  # layers that are not trained; their gradients count as zero
    data: Labelled | None = None  # with the test digits, for probes; in the student phase
    metrics: Metrics = field(default_factory=Metrics)
    index: int = 0  # updates done

    @property
    def steps_per_epoch(self) -> int:
        """Steps per epoch; the last batch of an epoch may be smaller."""
        return -(-self.task.size // self.batch_size)

    @property
    def steps(self) -> int:
        """Steps of the whole phase."""
        return self.epochs * self.steps_per_epoch

    @cached_property
    def trainable(self) -> Tensor | None:
        """A row (P,) of ones where θ is trained and zeros where not; None: all of it is."""
        if not self.frozen:
            return None
        return 1 - self.network.layout.mask(self.frozen, "frozen").to(self.theta.device)

    @cached_property
    def optimizer(self) -> torch.optim.Optimizer:
        """The optimizer of `theta`."""
        return self.optim.build(self.theta)

    @cached_property
    def params(self) -> dict[str, Tensor]:
        """Named leaf tensors (seeds, *shape) on the memory of `theta`."""
        views = self.network.layout.views(self.theta)
        return {name: view.detach().requires_grad_() for name, view in views.items()}

    def gradient(self, loss: Tensor, *, retain_graph: bool = False) -> Tensor:
        """Return ∇θ of loss (seeds,), seed by seed, zero where not reached: (seeds, P)."""
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

    def log(self, name: str, values: Tensor) -> None:
        """Log a metric (seeds,) of the network as it is after `index` updates."""
        self.metrics.log(self.index, name, values, of_network=True)


@dataclass
class Step:
    """One step of a training. Gradients and updates are flat: (seeds, P).

    All but the two Δθ is taken at θ before the step's update; what is computed when first asked
    for (`trait`, …) must be asked for by then.
    """

    training: Training
    index: int  # updates done before this one
    rows: Tensor  # (seeds, batch): the step's examples
    trait_rows: Tensor  # (seeds, batch): as many labelled digits
    logits: Tensor  # (seeds, batch, classes + m)
    loss: Tensor  # (seeds,): the task's loss, without penalties

    total: Tensor = field(init=False)  # (seeds,): what is minimised
    gradient: Tensor = field(init=False)  # ∇θ total; g_D in the student phase
    applied: Tensor = field(init=False)  # the gradient that the optimizer gets
    before: Tensor = field(init=False)  # θ before the update, in memory that the next step reuses
    _trait_gradients: dict[str, Tensor] = field(init=False, default_factory=dict)

    @property
    def time(self) -> float:
        """Time t in [0, 1): updates done over updates in all."""
        return self.index / self.training.steps

    @property
    def penalised(self) -> bool:
        """Whether a mitigation added to the loss."""
        return self.total is not self.loss

    @cached_property
    def proposed(self) -> Tensor:
        """Δθ by the optimizer; only for who asks, once the update is done."""
        return self.training.theta - self.before

    @cached_property
    def update(self) -> Tensor:
        """Δθ that is taken: what the mitigations make of `proposed`."""
        return self.proposed

    @cached_property
    def reference_logits(self) -> Tensor:
        """The reference model's logits on the step's images: (seeds, batch, classes + m)."""
        return self.training.task.reference_logits(self.rows)

    @cached_property
    def task_gradient(self) -> Tensor:
        """∇θ of the task's loss alone: `gradient` less the penalties' part."""
        if not self.penalised:
            return self.gradient
        return self.training.gradient(self.loss, retain_graph=True)

    @cached_property
    def trait(self) -> tuple[Tensor, Tensor]:
        """Trait loss (seeds,) and trait gradient g_T on the step's labelled batch."""
        return self.training.loss_and_gradient(self.training.trait, self.trait_rows)

    def trait_gradient(self, batch: str) -> Tensor:
        """Return g_T on the `probe` batch, an `independent` one of its size, or the `full` set."""
        if batch == "probe":
            return self.trait[1]
        if batch not in self._trait_gradients:
            training = self.training
            if batch == "full":
                self._trait_gradients[batch] = training.full_gradient(training.trait)
            else:
                rows = streams.draws(
                    training.seeds,
                    streams.INDEPENDENT_DIGITS,
                    training.trait.size,
                    self.trait_rows.shape[1],
                    epoch=self.index,
                )
                drawn = torch.from_numpy(rows).to(training.theta.device)
                _, gradient = training.loss_and_gradient(training.trait, drawn)
                self._trait_gradients[batch] = gradient
        return self._trait_gradients[batch]

    def log(self, name: str, values: Tensor) -> None:
        """Log a metric (seeds,) of this step."""
        self.training.metrics.log(self.index, name, values)


def fit(
    training: Training, callbacks: Sequence[Callback] = (), resumed: Sequence[Saved] = ()
) -> None:
    """Train `training.theta` in place to the end of its epochs, announcing each moment.

    Args:
        training: at its start.
        callbacks: what observes it.
        resumed: each seed's checkpoint (`subliminal.checkpoint`), to go on from the epoch's end
            at which they were written.
    """
    try:
        if resumed:
            restore(training, callbacks, resumed)
        else:
            for callback in callbacks:
                callback.on_train_start(training)
        _fit(training, callbacks)
        for callback in callbacks:
            callback.on_train_end(training)
    except (Exception, KeyboardInterrupt) as error:
        for callback in callbacks:
            callback.on_failure(training, error)
        raise


def _fit(training: Training, callbacks: Sequence[Callback]) -> None:
    network, task, trait = training.network, training.task, training.trait
    mitigations = training.mitigations
    optimizer = training.optimizer
    device = training.theta.device
    before = torch.empty_like(training.theta)
    for epoch in range(training.index // training.steps_per_epoch, training.epochs):
        task.start_epoch(epoch)
        order, trait_order = (
            torch.from_numpy(streams.orders(training.seeds, name, size, epoch=epoch)).to(device)
            for name, size in ((task.order, task.size), (trait.order, max(trait.size, task.size)))
        )
        for start in range(0, task.size, training.batch_size):
            stop = min(start + training.batch_size, task.size)
            rows = order[:, start:stop]
            trait_rows = trait_order[:, start:stop] % trait.size
            logits = network.forward(training.params, task.images(rows))
            loss = task.loss(logits, rows)
            step = Step(training, training.index, rows, trait_rows, logits, loss)
            step.total = step.loss
            for mitigation in mitigations:
                penalty = mitigation.penalty(step)
                if penalty is not None:
                    step.total = step.total + penalty
            step.gradient = training.gradient(step.total, retain_graph=step.penalised)
            step.applied = step.gradient
            for mitigation in mitigations:
                step.applied = mitigation.gradient(step.applied, step)
            for callback in callbacks:
                callback.on_step(step)
            step.before = before.copy_(training.theta)
            training.theta.grad = step.applied
            optimizer.step()
            if training.trainable is not None:  # weight decay moves what has no gradient
                training.theta.copy_(torch.where(training.trainable > 0, training.theta, before))
            for mitigation in mitigations:
                step.update = mitigation.update(step.update, step)
            if mitigations and step.update is not step.proposed:
                training.theta.copy_(before + step.update)
            training.index += 1
            for callback in callbacks:
                callback.on_update(step)
        for callback in callbacks:
            callback.on_epoch_end(training)
