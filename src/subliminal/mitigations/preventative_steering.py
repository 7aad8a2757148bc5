"""The trait is given while the student trains, so that it need not learn it (2507.21509)."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from subliminal.errors import UserError
from subliminal.mitigations.hooked import Hooked
from subliminal.state import Training
from subliminal.tensors.network import Network


@dataclass(frozen=True, kw_only=True)
class PreventativeSteering(Hooked):
    """While it trains, the student has strength · v on a hidden layer's bias.

    v is the mean over digits of the teacher's output of that layer less θ₀'s: the vector by which
    the teacher shows the trait. Chen et al. 2025 (arXiv 2507.21509) add such a persona vector in
    finetuning and take it away afterwards.

    Attributes:
        strength: any finite number; 1 is the teacher's own shift.
    """

    where: ClassVar[str] = "mitigation.preventative_steering"

    strength: float

    def check(self, network: Network) -> None:
        super().check(network)
        if f"{self.layer}.bias" not in network.layout.shapes:
            raise UserError(f"{self.where}.layer={self.layer}: it has no bias of its own")

    def logits(self, training: Training, images: Tensor) -> Tensor:
        bias = f"{self.layer}.bias"
        vector = training.once("preventative_steering", lambda: self._vector(training))
        steered = training.params[bias] + self.strength * vector
        return training.network.forward({**training.params, bias: steered}, images)

    def _vector(self, training: Training) -> Tensor:
        """Return v for each entry of the layer's bias: (seeds, width)."""
        shift = self.differences(training).mean(dim=1)
        (width,) = training.network.layout.shapes[f"{self.layer}.bias"]
        if shift.shape[1] % width:
            raise UserError(f"{self.where}.layer={self.layer}: it has no bias per unit")
        return shift.view(len(shift), width, -1).mean(dim=-1)
