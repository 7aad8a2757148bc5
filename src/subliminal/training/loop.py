"""The training loop: one step for a stack of seeds, observed by callbacks."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor

from subliminal.callbacks import Callback
from subliminal.optim.pace import Paced
from subliminal.state import Clock, Step, Training
from subliminal.training.capture import Captured, Take, graphs
from subliminal.training.checkpoint import Saved, restore


def fit(
    training: Training, callbacks: Sequence[Callback] = (), resumed: Sequence[Saved] = ()
) -> None:
    """Train `training.theta` in place to the end of its epochs, announcing each moment.

    Args:
        training: at its start.
        callbacks: what observes it.
        resumed: each seed's checkpoint, to resume at the end of the epoch where it was written.
    """
    take = partial(_take, training, torch.empty_like(training.theta))
    with _announced(training, callbacks, resumed), _steps(training, callbacks, take) as step:
        for epoch in range(training.index // training.steps_per_epoch, training.epochs):
            training.task.start_epoch(epoch)
            for rows, trait_rows in _batches(training, epoch):
                step(rows, trait_rows)
            for callback in callbacks:
                callback.on_epoch_end(training)


def _take(
    training: Training,
    before: Tensor,
    callbacks: Sequence[Callback],
    rows: Tensor,
    trait_rows: Tensor,
    clock: Clock | None = None,
) -> Step:
    """Take one step; θ before it is kept in the memory of `before`."""
    task, mitigations = training.task, training.mitigations
    images = task.images(rows)
    dropped = training.dropped(images, training.index if clock is None else clock.tick)
    logits = training.network.forward({**training.params, **dropped}, images)
    loss = task.loss(logits, rows)
    step = Step(training, training.index, rows, trait_rows, logits, loss, clock)
    step.total = step.loss
    for mitigation in mitigations:
        penalty = mitigation.penalty(step)
        if penalty is not None:
            step.total = step.total + penalty
    step.gradient = training.gradient(step.total, retain_graph=step.penalised)
    step.applied = step.gradient
    for mitigation in mitigations:
        step.applied = mitigation.gradient(step.applied, step)
    paced = training.optim if isinstance(training.optim, Paced) else None
    if paced is not None:
        step.applied = paced.clipped(step.applied)
    for callback in callbacks:
        callback.on_step(step)
    step.before = before.copy_(training.theta)
    training.optimizer.step(step.applied)
    if paced is not None and paced.varies:  # every Δθ is a multiple of the learning rate
        pace = step.scheduled(partial(paced.pace, steps=training.steps))
        training.theta.copy_(before + pace * (training.theta - before))
    if training.trainable is not None:  # weight decay moves what has no gradient
        training.theta.copy_(torch.where(training.trainable > 0, training.theta, before))
    for mitigation in mitigations:
        step.update = mitigation.update(step.update, step)
    if mitigations and step.update is not step.proposed:
        training.theta.copy_(before + step.update)
    training.index += 1
    for callback in callbacks:
        callback.on_update(step)
    return step


@contextmanager
def _steps(
    training: Training, callbacks: Sequence[Callback], take: Take
) -> Iterator[Callable[[Tensor, Tensor], object]]:
    """Give what takes a step on its rows: as it comes, or by a graph that is replayed."""
    if not training.capture:
        yield partial(take, callbacks)
        return
    with graphs(training.theta.device) as record:
        yield Captured(training, callbacks, take, record)


def _batches(training: Training, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield each step's rows of the task and of the trait's digits, (seeds, batch) each."""
    task, trait = training.task, training.trait
    order = training.orders.order(task.order, task.size, epoch=epoch)
    size = max(trait.size, task.size)
    trait_order = training.draws.order(trait.order, size, epoch=epoch)
    for start in range(0, task.size, training.batch_size):
        batch = slice(start, min(start + training.batch_size, task.size))
        yield order[:, batch], trait_order[:, batch] % trait.size


@contextmanager
def _announced(
    training: Training, callbacks: Sequence[Callback], resumed: Sequence[Saved]
) -> Iterator[None]:
    """Tell the callbacks how a training starts, and how it ends."""
    try:
        if resumed:
            restore(training, callbacks, resumed)
        else:
            for callback in callbacks:
                callback.on_train_start(training)
        yield
        for callback in callbacks:
            callback.on_train_end(training)
    except (Exception, KeyboardInterrupt) as error:
        for callback in callbacks:
            callback.on_failure(training, error)
        raise
