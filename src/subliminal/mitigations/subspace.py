"""Updates within a random subspace of few dimensions (Li et al. 2018, arXiv 1804.08838)."""

from dataclasses import dataclass

from torch import Tensor

from subliminal.config.hashing import Count, Unordered
from subliminal.errors import UserError
from subliminal.mitigations import Mitigation
from subliminal.state import Step, Training
from subliminal.tensors.geometry import orthonormal
from subliminal.tensors.network import Network

WHERE = "mitigation.subspace"


@dataclass(frozen=True, kw_only=True)
class Subspace(Mitigation):
    """ΔW ← Q Qᵀ ΔW for each hidden layer's weight, and so for its bias: updates of rank ≤ r.

    Q (out, r) is orthonormal and random, fixed, from each seed's own stream. A layer's outputs then
    change along r directions alone, which no gradient has chosen; LoRA's, which are learnt, follow
    the teacher (docs/related.md).

    Attributes:
        rank: r ≥ 1; where it reaches a layer's width, that layer is free.
        layers: hidden layers; empty: all.
    """

    rank: Count
    layers: Unordered[list[str]]

    def check(self, network: Network) -> None:
        for layer in self.layers:
            network.check_hidden(layer, f"{WHERE}.layers")
        for layer in self.layers or network.hidden:
            if not {f"{layer}.weight", f"{layer}.bias"} <= network.layout.shapes.keys():
                raise UserError(f"{WHERE}.layers={layer}: it has no weight and bias of its own")

    def update(self, update: Tensor, step: Step) -> Tensor:
        training = step.training
        kept = update.clone()
        views = training.network.layout.views(kept)
        for layer in self.layers or training.network.hidden:
            weight = views[f"{layer}.weight"]
            if weight.shape[1] <= self.rank:
                continue
            basis = self._basis(training, layer, weight.shape[1])
            for view in (weight.flatten(2), views[f"{layer}.bias"][..., None]):
                view.copy_(basis @ (basis.mT @ view))
        return kept

    def _basis(self, training: Training, layer: str, width: int) -> Tensor:
        """Return Q, (seeds, width, r)."""

        def drawn() -> Tensor:
            name = f"subspace/{layer}"
            numbers = training.draws.normal(name, width * self.rank, epoch=0)
            return orthonormal(numbers.view(-1, width, self.rank))

        return training.once(f"subspace/{layer}", drawn)
