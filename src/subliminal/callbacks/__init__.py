"""What observes a training: the moments that the loop announces."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, ClassVar

from subliminal.state import Step, Training, not_replayable

if TYPE_CHECKING:
    from torch import Tensor


class Callback:
    """Override the moments that matter. Observers never change the weights.

    Callbacks are called in the order given: those that log come before those that write.

    Attributes:
        on_host: whether `on_step` and `on_update` leave the device alone.
    """

    on_host: ClassVar[bool] = False

    def moment(self, training: Training) -> Hashable:
        """Return what the number of the step to come decides of `on_step` and `on_update`.

        Steps of one moment do the same on the device, so that one can be replayed for the others
        (`engine.capture`); what the number is used for is asked of `step.tick`.
        """
        raise not_replayable(self)

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
