"""The vector from one class to another, as a trained teacher represents them."""

from dataclasses import dataclass

from torch import Tensor

from subliminal.config.hashing import Positive
from subliminal.errors import UserError
from subliminal.steering import WHERE, Origin, Vector, mean_activations
from subliminal.tensors.network import Network


@dataclass(frozen=True, kw_only=True)
class ClassMeans(Vector):
    """v = scale · (μ_a − μ_b), μ_c the mean of the layer's output over training digits of class c.

    The means are those of a trained teacher (of the same seed and θ₀); the vector is then added to
    θ₀, whose features it shares by and large, as a student of that teacher does. Source: the
    difference-in-means steering vectors that Blank et al. 2026 (arXiv 2606.00995) distil.

    Attributes:
        a: the class that the vector points to.
        b: the class that it points away from.
        scale: > 0.
    """

    needs_teacher = True  # the means are a trained teacher's

    a: int
    b: int
    scale: Positive[float]

    def __post_init__(self) -> None:
        if self.a == self.b:
            raise UserError(f"{WHERE}.b={self.b}: another class than a={self.a} is needed")

    def check(self, network: Network) -> None:
        super().check(network)
        for key, value in (("a", self.a), ("b", self.b)):
            if not 0 <= value < network.classes:
                raise UserError(f"{WHERE}.{key}={value}: a class of 0-{network.classes - 1}")

    def vector(self, origin: Origin) -> Tensor:
        assert origin.trained is not None, "it needs a teacher"
        to, away = (
            mean_activations(origin.network, origin.trained, origin.data, label, self.layer)
            for label in (self.a, self.b)
        )
        return self.scale * (to - away)
