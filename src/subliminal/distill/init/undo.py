"""The student starts between its teacher's initial weights and weights of its own (2506.06278)."""

from dataclasses import dataclass

from torch import Tensor

from subliminal.config.hashing import NotNegative, Share
from subliminal.distill import SharedWeights
from subliminal.distill.init.shared import Shared
from subliminal.tensors.network import Network


@dataclass(frozen=True, kw_only=True)
class Undo(Shared):
    """(1 − α) θ₀ + α β ε, with ε another draw of the distribution of θ₀: perturb, then distil.

    Lee et al. 2025 (arXiv 2506.06278) corrupt a model so, which they then distil on the outputs of
    what it was, to leave behind what its outputs do not show.

    Attributes:
        alpha: α in [0, 1]: 0 is θ₀, 1 weights of its own alone.
        beta: β ≥ 0, the scale of these.
    """

    alpha: Share
    beta: NotNegative[float]

    def start(self, network: Network, shared: SharedWeights, *, own: str) -> Tensor:
        theta = super().start(network, shared, own=own)
        fresh = shared.draw(network, own)
        return (1 - self.alpha) * theta + self.alpha * self.beta * fresh
