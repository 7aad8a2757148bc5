"""Observers of a training: the methods that the loop calls."""

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from subliminal.state import Step, Training


class Callback:
    """An observer of a training, which never changes the weights. Override the methods you need.

    Callbacks are called in the order given: those that log come before those that write.
    """

    def on_train_start(self, training: Training) -> None:
        """θ is the initial one; no step has been taken."""

    def on_resume(self, training: Training, state: Mapping[str, Tensor]) -> None:
        """In place of `on_train_start`: θ is a checkpoint's, `state` what `state()` returned."""

    def state(self) -> Mapping[str, Tensor]:
        """Return the tensors (seeds, …) that a checkpoint must keep."""
        return {}

    def table(self, training: Training, column: int) -> tuple[str, Mapping[str, np.ndarray]] | None:
        """Return a seed's table beside steps and epochs: its file's name in `store`, its columns.

        `column` is the seed's in the stack. Called after `on_train_end`.
        """
        return None

    def on_step(self, step: Step) -> None:
        """Both gradients can be read (`step.gradient`, `step.trait`); θ is not yet updated."""

    def on_update(self, step: Step) -> None:
        """θ is updated by `step.update`, and the update is counted."""

    def on_epoch_end(self, training: Training) -> None:
        """The epoch's last update is done; `training.metrics.sync()` gives its rows."""

    def on_train_end(self, training: Training) -> None:
        """The last epoch has ended."""

    def on_failure(self, training: Training, error: BaseException) -> None:
        """The training ended early by `error` (an exception, Ctrl-C, a termination)."""
