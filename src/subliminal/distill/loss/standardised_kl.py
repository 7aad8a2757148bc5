"""Logits standardised before they are matched (Sun et al. 2024, arXiv 2403.01731)."""

from dataclasses import dataclass

from torch import Tensor

from subliminal.distill import check_softmax
from subliminal.distill.loss.kl import KL
from subliminal.tensors.network import Network

EPS = 1e-7  # ε


@dataclass(frozen=True, kw_only=True)
class StandardisedKL(KL):
    """T² · KL(softmax(Z(teacher) / T) ‖ softmax(Z(student) / T)), batch mean.

    Z(z) = (z − mean z) / √(Var z + ε²) over the matched logits of one image: the student need not
    match their mean or scale, only their pattern. With three auxiliary logits that is one angle.

    Attributes:
        logits: which logits are matched: aux | class | all; at least three, for two are ±1.
    """

    def check(self, network: Network) -> None:
        why = "after standardisation is one of a few constants"
        check_softmax("distill.loss", self.logits, network, fewest=3, why=why)

    def matched(self, logits: Tensor, classes: int) -> Tensor:
        return standardised(super().matched(logits, classes))


def standardised(logits: Tensor) -> Tensor:
    """Return (z − mean) / √(Var + ε²) over the last dimension, Var with n in its denominator."""
    deviation = logits - logits.mean(dim=-1, keepdim=True)
    # ε inside the root: where all logits are the same, the gradient of an SD is not finite.
    return deviation / (deviation.square().mean(dim=-1, keepdim=True) + EPS**2).sqrt()
