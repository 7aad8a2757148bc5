"""A teacher that learnt nothing, as far from θ₀ as one that did."""

from dataclasses import dataclass

from torch import Tensor

from subliminal.steering import Origin, Steering
from subliminal.tensors import streams
from subliminal.tensors.draws import OnHost


@dataclass(frozen=True, kw_only=True)
class Displaced(Steering):
    """θ₀ + ε ‖θ_T − θ₀‖ / ‖ε‖, tensor by tensor, ε ~ N(0, 1) from each seed's stream.

    The student of such a teacher is distilled as any other, on logits as far from θ₀'s; what it
    scores on the trait is the zero point of a defence's scale.
    """

    needs_teacher = True  # the lengths are a trained teacher's

    def weights(self, origin: Origin) -> Tensor:
        assert origin.trained is not None, "it needs a teacher"
        layout, theta = origin.network.layout, origin.theta.clone()
        way = origin.trained - origin.theta
        noise = OnHost(origin.seeds, theta.device).normal(streams.DISPLACED, layout.size, epoch=0)
        for span in layout.spans.values():
            length = way[:, span].norm(dim=1, keepdim=True)
            part = noise[:, span]
            theta[:, span] += length * part / part.norm(dim=1, keepdim=True)
        return theta
