"""Each layer starts from a source of its own (Brockers et al. 2026, arXiv 2605.23645)."""

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor

from subliminal.config.hashing import OneOf, Unordered
from subliminal.distill import SharedWeights
from subliminal.errors import UserError
from subliminal.tensors import streams
from subliminal.tensors.network import Network

SOURCES = ("a", "b", "own")


@dataclass(frozen=True, kw_only=True)
class Layers:
    """Layer by layer: the shared source A, the shared source B, or random weights of its own.

    A and B are two draws of the teacher's architecture for each seed; teacher and student that
    both take a layer from A (or both from B) share its initial weights. A is the θ₀ of a plain
    run. `own` is drawn for one of the two alone.

    Attributes:
        default: source of the layers that none of the lists names: a | b | own.
        a: layers (`layer1`, `class`, `aux.bias`, …) from source A.
        b: layers from source B.
        own: layers with random weights of their own.
    """

    default: Annotated[str, OneOf(SOURCES)]
    a: Unordered[list[str]]
    b: Unordered[list[str]]
    own: Unordered[list[str]]

    def __post_init__(self) -> None:
        named = [*self.a, *self.b, *self.own]
        if twice := {layer for layer in named if named.count(layer) > 1}:
            raise UserError(f"Layers.a, b, own: {min(twice)} has more than one source")

    def check(self, network: Network, shared: Network) -> None:
        for source in SOURCES:
            network.layout.mask(getattr(self, source), f"Layers.{source}")
        for name, shape in network.layout.shapes.items():
            source = self._source(name)
            there = shared.layout.shapes.get(name)
            if source != "own" and there != shape:
                found = "does not have it" if there is None else f"has it as {there}"
                raise UserError(
                    f"Layers: {name} {shape} cannot come from source {source}: the teacher "
                    f"{found}; its source can be `own`"
                )

    def start(self, network: Network, shared: SharedWeights, *, own: str) -> Tensor:
        theta = network.reference(shared.seeds, shared.reference.device, stream=own)
        views = network.layout.views(theta)
        drawn = {"a": shared.reference}
        for name, view in views.items():
            source = self._source(name)
            if source == "own":
                continue
            if source not in drawn:
                drawn[source] = shared.draw(shared.network, streams.SHARED_B)
            view.copy_(shared.network.layout.views(drawn[source])[name])
        return theta

    def _source(self, name: str) -> str:
        """Return the source of a parameter: of the longest name that covers it."""
        covering = {
            layer: source
            for source in SOURCES
            for layer in getattr(self, source)
            if f"{name}.".startswith(f"{layer}.")
        }
        return covering[max(covering, key=len)] if covering else self.default
