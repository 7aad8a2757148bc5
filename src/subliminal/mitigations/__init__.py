"""Interventions on the student's training: on its loss, its gradient or its updates."""

from collections.abc import Callable

from torch import Tensor

from subliminal.state import Step
from subliminal.tensors.network import Network


class Mitigation:
    """An intervention; the methods that a subclass does not override change nothing."""

    @property
    def needs_probe(self) -> bool:
        """Whether it uses the trait gradient on the alignment probe's batch."""
        return False

    def check(self, network: Network) -> None:
        """Raise a UserError when the mitigation does not fit the network."""

    def penalty(self, step: Step) -> Tensor | None:
        """Return a term (seeds,) to add to the training loss, or None for none at this step."""
        return None

    def gradient(self, gradient: Tensor, step: Step) -> Tensor:
        """Return the gradient (seeds, P) for the optimizer, in place of `gradient`."""
        return gradient

    def update(self, update: Tensor, step: Step) -> Tensor:
        """Return the Δθ (seeds, P) to apply, in place of the optimizer's `update`."""
        return update


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
