"""Distillation on labelled digits with wrong predictions swapped (Limantoro et al. 2025)."""

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor
from torch.nn import functional as F

from subliminal.config.hashing import Count, NotNegative, OneOf
from subliminal.distill import kl
from subliminal.errors import UserError


@dataclass(frozen=True, kw_only=True)
class SwappedLogits:
    """Swapped logit distillation (arXiv 2504.20108); without swaps, plain knowledge distillation.

    With y the label, z_S and z_T the class logits, and swap(z) the logits whose largest and whose
    label's have changed places where they are not the same one:

        w_CE · CE(z_S, y) + w_KD · Σ_τ τ² · [KL(swap(z_T)/τ ‖ z_S/τ) + KL(swap(z_S)/τ ‖ z_S/τ)]

    over the temperatures τ, batch mean, plus w_aux times the mean squared error of the auxiliary
    logits. The second KL, whose target (the student as its own teacher) has no gradient, begins
    with epoch `own_from`. `swap=teacher` leaves it out, `swap=none` also swaps nothing. In the
    paper w_CE = 0.1, w_KD = 0.9 and τ = 1, …, 6; the auxiliary logits are ours.

    Attributes:
        swap: none | teacher | both.
        own_from: the first epoch, ≥ 1, of the student's own swapped logits.
        temperatures: τ > 0, one or more.
        cross_entropy: w_CE ≥ 0.
        distill: w_KD ≥ 0.
        aux: w_aux ≥ 0.
    """

    swap: Annotated[str, OneOf(("none", "teacher", "both"))]
    own_from: Count
    temperatures: list[float]
    cross_entropy: NotNegative[float]
    distill: NotNegative[float]
    aux: NotNegative[float]

    def __post_init__(self) -> None:
        where = "distill.loss"
        if not self.temperatures or min(self.temperatures) <= 0:
            raise UserError(
                f"{where}.temperatures={list(self.temperatures)}: numbers > 0 are needed"
            )
        weights = {key: getattr(self, key) for key in ("cross_entropy", "distill", "aux")}
        if not any(weights.values()):
            raise UserError(f"{where}: at least one of {', '.join(weights)} must be > 0")

    def supervised(
        self, student: Tensor, teacher: Tensor, labels: Tensor, classes: int, *, epoch: int
    ) -> Tensor:
        ours, target = student[..., :classes], teacher[..., :classes]
        if self.swap != "none":
            target = swapped(target, labels)
        targets = [target]
        if self.swap == "both" and epoch + 1 >= self.own_from:
            targets.append(swapped(ours.detach(), labels))
        entropy = F.cross_entropy(ours.flatten(0, 1), labels.flatten(), reduction="none")
        total = self.cross_entropy * entropy.view(labels.shape).mean(dim=1)
        for t in self.temperatures:
            for each in targets:
                total = total + self.distill * t * t * kl(each / t, ours / t)
        difference = student[..., classes:] - teacher[..., classes:]
        return total + self.aux * difference.square().mean(dim=(-2, -1))


def swapped(logits: Tensor, labels: Tensor) -> Tensor:
    """Exchange the largest logit and the label's: (…, classes), labels (…) -> (…, classes)."""
    label = labels[..., None]
    largest = logits.argmax(dim=-1, keepdim=True)
    of_label, of_largest = logits.gather(-1, label), logits.gather(-1, largest)
    return logits.scatter(-1, largest, of_label).scatter(-1, label, of_largest)
