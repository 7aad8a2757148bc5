"""Interventions that take a component out of the gradient or the update."""

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor

from subliminal.config.hashing import OneOf
from subliminal.mitigations import Mitigation
from subliminal.state import Step


@dataclass(frozen=True, kw_only=True)
class Removal(Mitigation):
    """Changes the descent direction d: the gradient g, or the optimizer's update as −Δθ.

    A positive ⟨d, g_T⟩ is what lowers the trait loss, in both spaces. Subclasses define `removed`.

    Attributes:
        space: gradient (before the optimizer) | update (after it).
        sign: positive | negative | both: which sign of ⟨d, g_T⟩ to act on.
    """

    space: Annotated[str, OneOf(("gradient", "update"))]
    sign: Annotated[str, OneOf(("positive", "negative", "both"))]

    @property
    def needs_probe(self) -> bool:
        """The size of what is removed is measured on the alignment probe's batch."""
        return True

    def removed(self, descent: Tensor, step: Step) -> Tensor:
        """Return what to subtract from the descent direction (seeds, P)."""
        raise NotImplementedError

    def acts(self, step: Step) -> bool:
        """Whether anything is removed at this step."""
        return True

    def along(self, step: Step) -> Tensor:
        """Return g_T at θ before the update: (seeds, P)."""
        return step.trait[1]

    def gradient(self, gradient: Tensor, step: Step) -> Tensor:
        if not self.acts(step):
            return gradient
        if self.space == "update":
            self.along(step)  # computed now, since θ moves before it is used
            return gradient
        return gradient - self.removed(gradient, step)

    def update(self, update: Tensor, step: Step) -> Tensor:
        if self.space == "update" and self.acts(step):
            return update + self.removed(-update, step)
        return update
