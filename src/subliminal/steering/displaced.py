"""A teacher that learnt nothing, as far from θ₀ as one that did."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from subliminal.data import Labelled
from subliminal.steering import Steering
from subliminal.tensors import streams
from subliminal.tensors.network import Network


@dataclass(frozen=True, kw_only=True)
class Displaced(Steering):
    """θ₀ + ε ‖θ_T − θ₀‖ / ‖ε‖, tensor by tensor, ε ~ N(0, 1) from each seed's stream.

    The student of such a teacher is distilled as any other, on logits as far from θ₀'s; what it
    scores on the trait is the zero of a defence's scale.
    """

    @property
    def needs_teacher(self) -> bool:
        """The lengths are a trained teacher's."""
        return True

    def weights(
        self,
        network: Network,
        start: Tensor,
        trained: Tensor | None,
        data: Labelled,
        seeds: tuple[int, ...],
    ) -> Tensor:
        """Return the displaced weights, (seeds, P)."""
        assert trained is not None, "it needs a teacher"
        drawn = [
            streams.stream(seed, streams.DISPLACED).standard_normal(
                network.layout.size, dtype=np.float32
            )
            for seed in seeds
        ]
        noise = torch.from_numpy(np.stack(drawn)).to(start.device)
        theta = start.clone()
        for span in network.layout.spans.values():
            length = (trained[:, span] - start[:, span]).norm(dim=1, keepdim=True)
            part = noise[:, span]
            theta[:, span] += length * part / part.norm(dim=1, keepdim=True)
        return theta
