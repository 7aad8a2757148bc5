"""What observes a training: the moments that the loop announces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from subliminal.state import Step, Training

if TYPE_CHECKING:
    from torch import Tensor


class Callback:
    """An observer of a training: override what it needs. Observers never change the weights.

    Callbacks are called in the order given: those that log come before those that write.
    """

    def on_train_start(self, training: Training) -> None:
        """θ is the initial one; no step has been taken."""

    def on_resume(self, training: Training, state: Mapping[str, Tensor]) -> None:
        """In place of the start: θ is a checkpoint's, `state` what `state()` gave for it."""

    def state(self) -> Mapping[str, Tensor]:
        """Return what was gathered since the start and is needed later: tensors (seeds, …)."""
        return {}

    def on_step(self, step: Step) -> None:
        """Both gradients are at hand (`step.gradient`, `step.trait`); θ is not yet updated."""

    def on_update(self, step: Step) -> None:
        """The step is taken: θ is updated by `step.update`, one more update is counted."""

    def on_epoch_end(self, training: Training) -> None:
        """The epoch's last update is done; `training.metrics.sync()` gives its rows."""

    def on_train_end(self, training: Training) -> None:
        """The last epoch has ended."""

    def on_failure(self, training: Training, error: BaseException) -> None:
        """The training was cut short by `error` (an exception, Ctrl-C, a termination)."""
