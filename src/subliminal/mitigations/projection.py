"""Alignment removed by projection (Kitkana & Arora 2026, arXiv 2604.25779)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from subliminal.geometry import remove_positive
from subliminal.mitigations import Mitigation

if TYPE_CHECKING:
    from subliminal.loop import Step


@dataclass(frozen=True, kw_only=True)
class Projection(Mitigation):
    """Where ⟨g_D, g_T⟩ > 0: g_D ← g_D − ⟨g_D, g_T⟩ / ‖g_T‖² · g_T, before the optimizer.

    g_T is the trait gradient on the alignment probe's batch, at every step.
    """

    needs_probe = True

    def gradient(self, gradient: Tensor, step: Step) -> Tensor:
        """Return the gradient (seeds, P) without its component along the trait gradient."""
        _, trait_gradient = step.trait
        return remove_positive(gradient, trait_gradient)
