"""The student starts near its teacher's start."""

from dataclasses import dataclass

from torch import Tensor

from subliminal.config.hashing import NotNegative, Unordered
from subliminal.distill import SharedWeights
from subliminal.distill.init.shared import Shared
from subliminal.tensors.draws import OnHost
from subliminal.tensors.network import Network

WHERE = "distill.init.layers"


@dataclass(frozen=True, kw_only=True)
class Noisy(Shared):
    """θ = θ_T0 + sigma · s ⊙ ε, with ε ~ N(0, 1) and s the standard deviation of each tensor.

    θ_T0 is where the teacher starts; s is that of the tensor's own values there, so that sigma = 1
    is noise as large as the weights, in each layer. Tensors that are constant (biases that start at
    0) get none. `distill.perturb_before` has the same σ in all layers instead.

    Attributes:
        sigma: ≥ 0, in units of each tensor's standard deviation.
        layers: that get noise, e.g. [layer1,aux.weight]; empty: all.
    """

    sigma: NotNegative[float]
    layers: Unordered[list[str]]

    def check(self, network: Network, shared: Network) -> None:
        super().check(network, shared)
        network.layout.named(self.layers, WHERE)

    def start(self, network: Network, shared: SharedWeights, *, own: str) -> Tensor:
        theta = shared.teacher.clone()
        layout = network.layout
        noise = OnHost(shared.seeds, theta.device).normal(f"{own}/noise", layout.size, epoch=0)
        for name in layout.named(self.layers or [*layout.shapes], WHERE):
            values = theta[:, layout.spans[name]]
            spread = values.std(dim=1, correction=0, keepdim=True)
            values += self.sigma * spread * noise[:, layout.spans[name]]
        return theta
