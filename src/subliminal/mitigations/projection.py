"""Alignment removed by projection (Kitkana & Arora 2026, arXiv 2604.25779)."""

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor

from subliminal.config.hashing import OneOf, Share, Unordered
from subliminal.errors import UserError
from subliminal.mitigations.removal import Removal
from subliminal.state import Step
from subliminal.tensors.geometry import component
from subliminal.tensors.network import Network

LAYERS = "mitigation.projection.layers"


@dataclass(frozen=True, kw_only=True)
class Projection(Removal):
    """d ← d − strength · ⟨d, g_T⟩ / ‖g_T‖² · g_T, where ⟨d, g_T⟩ has the chosen sign.

    With space=gradient, sign=positive and strength=1 this is the paper's projection of the
    distillation gradient. An adaptive optimizer turns such a gradient into an update that points
    against the trait; space=update removes the component from what is applied, and so leaves the
    trait loss where it is, to first order.

    Attributes:
        strength: share of the component that is removed, in [0, 1].
        window: [from, to) in units: when to act.
        unit: epochs | steps: of the window.
        outside: act outside the window instead.
        layers: act within these layers alone, as if g_T were zero elsewhere; empty: everywhere.
        batch: the digits that g_T is computed on: probe (the alignment probe's batch), independent
            (as many, drawn apart), or full (all training digits; a pass over them each step).
    """

    strength: Share
    window: list[float]
    unit: Annotated[str, OneOf(("epochs", "steps"))]
    outside: bool
    layers: Unordered[list[str]]
    batch: Annotated[str, OneOf(("probe", "independent", "full"))]

    def __post_init__(self) -> None:
        if len(self.window) != 2 or self.window[0] > self.window[1]:
            raise UserError(
                f"Projection.window={list(self.window)}: [from, to] is needed, from ≤ to"
            )

    @property
    def needs_probe(self) -> bool:
        return self.batch == "probe"

    def check(self, network: Network) -> None:
        network.layout.mask(self.layers, LAYERS)

    def acts(self, step: Step) -> bool:
        start, end = self.window
        time = step.index / (step.training.steps_per_epoch if self.unit == "epochs" else 1)
        return (start <= time < end) is not self.outside

    def along(self, step: Step) -> Tensor:
        return step.trait_gradient(self.batch)

    def removed(self, descent: Tensor, step: Step) -> Tensor:
        along = self.along(step)
        if self.layers:
            along = along * step.training.network.layout.mask(self.layers, LAYERS, along.device)
        return self.strength * component(descent, along, self.sign)
