"""The student starts from other initial weights: the cross-model control."""

from dataclasses import dataclass

from torch import Tensor

from subliminal.distill import SharedWeights
from subliminal.tensors.network import Network


@dataclass(frozen=True, kw_only=True)
class Independent:
    """Another draw from the distribution of θ₀, as in the cross-model arms of Cloud et al. 2025.

    (arXiv 2507.14805, section 6.) It has a stream of its own, so no two seeds share weights.
    """

    def check(self, network: Network, shared: Network) -> None:
        """Any network will do."""

    def start(self, network: Network, shared: SharedWeights, *, own: str) -> Tensor:
        return shared.draw(network, own)
