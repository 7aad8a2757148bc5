"""What the auxiliary logits say about the class logits, on the distillation inputs."""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor

from subliminal import metrics
from subliminal.probes import EpochProbe
from subliminal.probes.states import first_images, states
from subliminal.state import Training
from subliminal.tensors.geometry import ratio, widest


@dataclass(frozen=True, kw_only=True)
class Logits(EpochProbe):
    """Entropy of the auxiliary targets, and how auxiliary and class logits go together, by epoch.

    On the first distillation inputs of each seed:

    - `logits/aux_entropy`: of softmax(teacher's auxiliary logits), nats, mean over the inputs; at
      most ln m, where the targets say nothing;
    - `logits/correlation_teacher`, `…_student`: root mean square, over all pairs of an auxiliary
      and a class logit, of their correlation over the inputs; 1 / √examples by chance.

    Attributes:
        examples: how many distillation inputs are taken, at most all; ≥ 2.
    """

    examples: Annotated[int, Ge(2)]

    def measure(self, training: Training) -> None:
        x = first_images(training, training.task, self.examples)
        number = training.network.classes
        _, teacher, _, student = states(training)
        for metric, state in (
            (metrics.LOGIT_CORRELATION_TEACHER, teacher),
            (metrics.LOGIT_CORRELATION_STUDENT, student),
        ):
            logits = state.network.logits(state.theta, x).to(widest(x.device))
            classes, aux = logits[..., :number], logits[..., number:]
            training.log(metric, correlation(aux, classes))
            if state is teacher:
                log_p = torch.log_softmax(aux, dim=-1)
                entropy = -(log_p.exp() * log_p).sum(dim=-1).mean(dim=-1)
                training.log(metrics.AUX_ENTROPY, entropy)


def correlation(a: Tensor, b: Tensor) -> Tensor:
    """Return the root mean square correlation of columns: (seeds, n, k), (seeds, n, l) -> (seeds,).

    That of a constant column is 0.
    """
    a, b = (v - v.mean(dim=1, keepdim=True) for v in (a, b))
    lengths = a.norm(dim=1)[:, :, None] * b.norm(dim=1)[:, None, :]
    pairs = ratio(a.mT @ b, lengths)  # (seeds, k, l)
    return pairs.square().mean(dim=(1, 2)).sqrt()
