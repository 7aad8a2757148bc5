"""An L2 penalty on the distance from the initial weights (L2-SP, Li et al. 2018, 1802.01483)."""

from dataclasses import dataclass

from torch import Tensor

from subliminal.config.hashing import NotNegative
from subliminal.mitigations import Mitigation
from subliminal.state import Step


@dataclass(frozen=True, kw_only=True)
class Anchor(Mitigation):
    """Adds strength / 2 · ‖θ − θ₀‖² to the training loss.

    Attributes:
        strength: ≥ 0.
    """

    strength: NotNegative[float]

    def penalty(self, step: Step) -> Tensor:
        training = step.training
        reference = training.network.layout.views(training.reference)
        squares = [
            (values - reference[name]).square().flatten(1).sum(dim=1)
            for name, values in training.params.items()
        ]
        distance = sum(squares[1:], start=squares[0])
        step.log("anchor/distance", distance.detach().sqrt())
        return 0.5 * self.strength * distance
