"""Interventions on the student's training: on its loss, its gradient or its updates."""

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
