"""The training loop of a stack of seeds, observed by callbacks."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from subliminal.optim.pace import Paced
from subliminal.state import Step, Training
from subliminal.state.callbacks import Callback
from subliminal.training.checkpoint import Saved, restore


def fit(
    training: Training, callbacks: Sequence[Callback] = (), resumed: Sequence[Saved] = ()
) -> None:
    """Train `training.theta` in place to the end of its epochs.

    Args:
        training: at its start.
        callbacks: observers, called in this order.
        resumed: each seed's checkpoint, to resume at the end of the epoch where it was written.
    """
    before = torch.empty_like(training.theta)
    try:
        if resumed:
            restore(training, callbacks, resumed)
        else:
            for callback in callbacks:
                callback.on_train_start(training)
        for epoch in range(training.index // training.steps_per_epoch, training.epochs):
            training.task.start_epoch(epoch)
            for rows, trait_rows in batches(training, epoch):
                take_step(training, callbacks, rows, trait_rows, before)
            for callback in callbacks:
                callback.on_epoch_end(training)
        for callback in callbacks:
            callback.on_train_end(training)
    except (Exception, KeyboardInterrupt) as error:
        for callback in callbacks:
            callback.on_failure(training, error)
        raise


def take_step(
    training: Training,
    callbacks: Sequence[Callback],
    rows: Tensor,  # (seeds, batch): the step's examples
    trait_rows: Tensor,  # (seeds, batch): as many of the trait's labelled examples
    before: Tensor,  # (seeds, P): memory for θ before the step
) -> None:
    """Take one step and update `training` in place.

    This is no part of `fit`, whose variables would keep a step's tensors alive during the next.
    """
    task, theta, mitigations = training.task, training.theta, training.mitigations
    paced = training.optim if isinstance(training.optim, Paced) else None

    # The loss and its penalties.
    images = task.images(rows)
    dropped = training.dropped(images, training.index)
    logits = training.network.forward({**training.params, **dropped}, images)
    step = Step(training, training.index, rows, trait_rows, logits, task.loss(logits, rows))
    step.total = step.loss
    for mitigation in mitigations:
        penalty = mitigation.penalty(step)
        if penalty is not None:
            step.total = step.total + penalty

    # The gradient, and the one that the optimizer gets in its place.
    step.gradient = training.gradient(step.total, retain_graph=step.penalised)
    step.applied = step.gradient
    for mitigation in mitigations:
        step.applied = mitigation.gradient(step.applied, step)
    if paced is not None:
        step.applied = paced.clipped(step.applied)
    for callback in callbacks:
        callback.on_step(step)

    # The update, and the one that is applied in its place.
    step.before = before.copy_(theta)
    training.optimizer.step(step.applied)
    if paced is not None and paced.varies:  # every Δθ is a multiple of the learning rate
        theta.copy_(before + paced.pace(step.index, training.steps) * (theta - before))
    if training.trainable is not None:  # weight decay moves what has no gradient
        theta.copy_(torch.where(training.trainable > 0, theta, before))
    for mitigation in mitigations:
        step.update = mitigation.update(step.update, step)
    if mitigations and step.update is not step.proposed:
        theta.copy_(before + step.update)
    training.index += 1
    for callback in callbacks:
        callback.on_update(step)


def batches(training: Training, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield each step's rows of the task and of the trait's examples, (seeds, batch) each."""
    task, trait = training.task, training.trait
    order = training.orders.order(task.order, task.size, epoch=epoch)
    size = max(trait.size, task.size)
    trait_order = training.draws.order(trait.order, size, epoch=epoch)
    for start in range(0, task.size, training.batch_size):
        batch = slice(start, min(start + training.batch_size, task.size))
        yield order[:, batch], trait_order[:, batch] % trait.size
