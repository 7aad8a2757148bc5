"""Changes of a student's trained weights, made with the last step's update."""

from collections.abc import Callable

from torch import Tensor

from subliminal.mitigations import Mitigation
from subliminal.state import Step


def at_end(update: Tensor, step: Step, change: Callable[[Tensor, Step], Tensor]) -> Tensor:
    """Return the update (seeds, P); the last step's such that θ ends as `change` makes it."""
    if step.index + 1 < step.training.steps:
        return update
    return change(step.before + update, step) - step.before


class AtEnd(Mitigation):
    """Subclasses change the trained weights; the changed student is measured and kept."""

    def update(self, update: Tensor, step: Step) -> Tensor:
        return at_end(update, step, self.changed)

    def changed(self, theta: Tensor, step: Step) -> Tensor:
        """Return the weights to end with, (seeds, P)."""
        raise NotImplementedError
