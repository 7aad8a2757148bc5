"""The student starts from initial weights of its own: the cross-model control."""

from dataclasses import dataclass

from torch import Tensor

from subliminal import streams
from subliminal.network import Network


@dataclass(frozen=True, kw_only=True)
class Independent:
    """Another draw from the distribution of θ₀, as in the cross-model arms of Cloud et al. 2025.

    (arXiv 2507.14805, section 6.) It has a stream of its own, so no two seeds share weights.
    """

    def start(self, network: Network, reference: Tensor, seeds: tuple[int, ...]) -> Tensor:
        """Return the student's initial weights (seeds, P)."""
        return network.reference(seeds, reference.device, stream=streams.STUDENT_INIT)
