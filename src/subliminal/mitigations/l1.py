"""An L1 penalty on the weights (the lasso of Tibshirani 1996, J. R. Stat. Soc. B 58(1))."""

from dataclasses import dataclass

from torch import Tensor

from subliminal.config.hashing import NotNegative
from subliminal.mitigations import Mitigation
from subliminal.state import Step


@dataclass(frozen=True, kw_only=True)
class L1(Mitigation):
    """Adds strength · ‖θ‖₁, over all weights and biases, to the training loss.

    Attributes:
        strength: ≥ 0.
    """

    strength: NotNegative[float]

    def penalty(self, step: Step) -> Tensor:
        sizes = [values.abs().flatten(1).sum(dim=1) for values in step.training.params.values()]
        length = sum(sizes[1:], start=sizes[0])
        step.log("l1/norm", length.detach())
        return self.strength * length
