"""A mitigation of one's own: only the largest entries of the gradient reach the optimizer."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Interval
from torch import Tensor

from subliminal.mitigations import Mitigation
from subliminal.state import Step


@dataclass(frozen=True, kw_only=True)
class Sparse(Mitigation):
    """Keeps a share of the gradient's entries, those of largest magnitude; the rest become 0.

    Attributes:
        share: in (0, 1].
    """

    share: Annotated[float, Interval(gt=0, le=1)]

    def gradient(self, gradient: Tensor, step: Step) -> Tensor:  # (seeds, P), a row for each seed
        kept = max(1, int(self.share * gradient.shape[1]))
        smallest = gradient.abs().topk(kept, dim=1).values[:, -1:]
        sparse = gradient.where(gradient.abs() >= smallest, 0)
        step.log("sparse/norm", sparse.norm(dim=1) / gradient.norm(dim=1).clamp_min(1e-30))
        return sparse
