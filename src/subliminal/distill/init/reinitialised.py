"""The student starts from its teacher's initial weights, but for some that are drawn anew."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from subliminal.config.hashing import Share, Unordered
from subliminal.distill import SharedWeights
from subliminal.distill.init.shared import Shared
from subliminal.tensors import streams
from subliminal.tensors.network import Network


@dataclass(frozen=True, kw_only=True)
class Reinitialised(Shared):
    """A share of the weights, each drawn to be one of them, has other initial values.

    The values are another draw of the distribution of θ₀, the choice is random too, both from the
    seed's own streams. `layers` names what may be drawn anew; a head is `class` or `aux` even where
    one tensor holds both (then its rows).

    Attributes:
        share: of the weights of these layers, in [0, 1].
        layers: `layer1`, `layer2.weight`, `class`, `aux`, …; empty: all.
    """

    share: Share
    layers: Unordered[list[str]]

    def check(self, network: Network, shared: Network) -> None:
        super().check(network, shared)
        self._mask(network)

    def start(self, network: Network, shared: SharedWeights, *, own: str) -> Tensor:
        theta = super().start(network, shared, own=own)
        fresh = shared.draw(network, own)
        drawn = [
            streams.stream(seed, f"{own}/which").random(network.layout.size, dtype=np.float32)
            for seed in shared.seeds
        ]
        chosen = (torch.from_numpy(np.stack(drawn)) < self.share) & (self._mask(network) > 0)
        return torch.where(chosen.to(theta.device), fresh, theta)

    def _mask(self, network: Network) -> Tensor:
        """Return a row (P,) of ones on what may be drawn anew."""
        mask = torch.zeros(network.layout.size)
        for layer in self.layers or network.layout.shapes:
            if layer in ("class", "aux"):
                mask = mask.maximum(network.head_mask(layer))
            else:
                mask = mask.maximum(network.layout.mask([layer], "distill.init.layers"))
        return mask
