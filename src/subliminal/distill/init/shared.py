"""The student starts where its teacher started."""

from dataclasses import dataclass

from torch import Tensor

from subliminal.distill import SharedWeights
from subliminal.errors import UserError
from subliminal.tensors.network import Network


@dataclass(frozen=True, kw_only=True)
class Shared:
    """The student starts from its teacher's initial weights: the setting of the theory.

    Source: Cloud et al. 2025 (arXiv 2507.14805), theorem 1.
    """

    def check(self, network: Network, shared: Network) -> None:
        if network.layout != shared.layout:
            raise UserError(
                "distill/init=shared, noisy: the student's layers are not the teacher's; "
                "distill/init=layers shares those that are"
            )

    def start(self, network: Network, shared: SharedWeights, *, own: str) -> Tensor:
        return shared.teacher
