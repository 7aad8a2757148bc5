"""A vector in a random direction."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from subliminal.config.hashing import Positive
from subliminal.steering import Origin, Vector
from subliminal.tensors import streams


@dataclass(frozen=True, kw_only=True)
class Random(Vector):
    """v = norm · ε / ‖ε‖, ε ~ N(0, 1) from each seed's stream: a vector that means nothing.

    Attributes:
        norm: ‖v‖ > 0.
    """

    norm: Positive[float]

    def vector(self, origin: Origin) -> Tensor:
        (width,) = origin.network.layout.shapes[f"{self.layer}.bias"]
        generators = [streams.stream(seed, streams.STEERING) for seed in origin.seeds]
        drawn = np.stack([generator.normal(size=width) for generator in generators])
        drawn *= self.norm / np.linalg.norm(drawn, axis=1, keepdims=True)
        return torch.from_numpy(drawn).float()
