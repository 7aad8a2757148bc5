"""Directions of the trait are closed while the student trains (2507.16795)."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from subliminal.config.hashing import Count
from subliminal.mitigations.hooked import Hooked
from subliminal.state import Training
from subliminal.tensors.geometry import principal


@dataclass(frozen=True, kw_only=True)
class ConceptAblation(Hooked):
    """While it trains, h ← h − U Uᵀ h at a hidden layer, before what follows.

    U (width, rank) are the principal directions of teacher less θ₀ on digits, uncentred: Casademunt
    et al. 2025 (arXiv 2507.16795) ablate in finetuning the directions of concepts that must not be
    used. Through the closed directions no gradient comes back.

    Attributes:
        rank: how many directions, ≥ 1.
    """

    where: ClassVar[str] = "mitigation.concept_ablation"

    rank: Count

    def logits(self, training: Training, images: Tensor) -> Tensor:
        model = training.network.model
        directions = training.once("concept_ablation", lambda: self._directions(training))
        h = model.activations(training.params, images)[self.layer]
        return model.onward(training.params, self.layer, h - (h @ directions) @ directions.mT)

    def _directions(self, training: Training) -> Tensor:
        """Return U: (seeds, width, rank)."""
        differences = self.differences(training)
        rank, width = min(self.rank, differences.shape[-1]), differences.shape[-1]
        start = training.draws.normal("concept_ablation", width * rank, epoch=0)
        return principal(differences, start.view(-1, width, rank))
