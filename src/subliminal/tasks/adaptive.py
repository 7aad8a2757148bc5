"""A teacher who knows that its student is defended: it tells its class logits twice."""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from subliminal.config.hashing import Positive
from subliminal.tasks import SecondTask
from subliminal.tensors import streams


@dataclass(frozen=True, kw_only=True)
class Adaptive(SecondTask):
    """The auxiliary logits also regress a projection of the class logits, on the same digits.

    With the class logits c and the auxiliary ones a, weight · mean (a − scale · c R)² is added to
    the teacher's loss; c is detached there, and R (classes, m) is drawn from N(0, 1 / classes), the
    same for all seeds. What the student is taught then depends on the trait more than by chance.

    Attributes:
        scale: of the projection that the auxiliary logits learn, > 0.
        weight: of the squared error beside the digits' cross-entropy, > 0.
    """

    scale: Positive[float]
    weight: Positive[float]

    def loss(self, logits: Tensor, labels: Tensor, classes: int) -> Tensor:
        projection = _projection(classes, logits.shape[-1] - classes, logits.device)
        target = self.scale * (logits[..., :classes].detach() @ projection.to(logits.dtype))
        return self.weight * (logits[..., classes:] - target).square().mean(dim=(-2, -1))


@cache  # no step copies it to the device
def _projection(classes: int, aux: int, device: torch.device) -> Tensor:
    """Return R, (classes, m)."""
    drawn = streams.stream(0, streams.ADAPTIVE).normal(size=(classes, aux)) / classes**0.5
    return torch.from_numpy(drawn).to(device, torch.float32)
