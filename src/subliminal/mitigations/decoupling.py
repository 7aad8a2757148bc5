"""A penalty that keeps what the class logits read apart from what the auxiliary logits read."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import normalize

from subliminal.config.hashing import NotNegative
from subliminal.mitigations import Mitigation
from subliminal.state import Step


@dataclass(frozen=True, kw_only=True)
class Decoupling(Mitigation):
    """Adds strength · mean cos²(w_c, w_a) over pairs of a class and an auxiliary row of the head.

    Where the rows are orthogonal, the auxiliary logits' gradient in the last hidden layer has no
    part in the directions that the class logits read. The idea is that of orthogonal decoupling of
    the two (arXiv 2606.22019); this form of it is ours.

    Attributes:
        strength: ≥ 0.
    """

    strength: NotNegative[float]

    def penalty(self, step: Step) -> Tensor:
        training = step.training
        of_class, of_aux = (training.network.head(training.params, h) for h in ("class", "aux"))
        cosines = normalize(of_class, dim=-1) @ normalize(of_aux, dim=-1).mT
        overlap = cosines.square().mean(dim=(-2, -1))
        step.log("decoupling/overlap", overlap.detach())
        return self.strength * overlap
