"""A vector in a random direction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from subliminal.config.hashing import Positive
from subliminal.data import Labelled
from subliminal.steering import Vector
from subliminal.tensors import streams
from subliminal.tensors.network import Network


@dataclass(frozen=True, kw_only=True)
class Random(Vector):
    """v = norm · ε / ‖ε‖, ε ~ N(0, 1) from each seed's stream: a vector that means nothing.

    Attributes:
        norm: ‖v‖ > 0.
    """

    norm: Positive[float]

    def vector(
        self, network: Network, trained: Tensor | None, data: Labelled, seeds: tuple[int, ...]
    ) -> Tensor:
        """Return the vector of each seed: (seeds, width)."""
        (width,) = network.layout.shapes[f"{self.layer}.bias"]
        drawn = np.stack([streams.stream(s, streams.STEERING).normal(size=width) for s in seeds])
        drawn *= self.norm / np.linalg.norm(drawn, axis=1, keepdims=True)
        return torch.from_numpy(drawn).float()
