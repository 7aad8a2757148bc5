"""What the student is trained on: the distillation loss and the distillation inputs."""

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

LOGIT_SETS = ("aux", "class", "all")


class DistillLoss(Protocol):
    """How far the student's logits are from the teacher's."""

    def __call__(self, student: Tensor, teacher: Tensor, classes: int) -> Tensor:
        """Map two logits (seeds, batch, classes + m) to the batch mean loss (seeds,)."""


class Inputs(Protocol):
    """Where the distillation images come from."""

    size: int  # images per epoch
    fresh: bool  # drawn anew each epoch, instead of one fixed set

    def draw(self, pixels: int, *, generator: np.random.Generator) -> np.ndarray:
        """Draw one seed's images: (size, pixels), float32."""


def select(logits: Tensor, which: str, classes: int) -> Tensor:
    """Return the `aux`, `class` or `all` columns of logits (…, classes + m)."""
    if which == "aux":
        return logits[..., classes:]
    if which == "class":
        return logits[..., :classes]
    return logits


def kl(target: Tensor, logits: Tensor) -> Tensor:
    """Return KL(softmax(target) ‖ softmax(logits)), batch mean: (seeds, batch, k) -> (seeds,)."""
    log_p = torch.log_softmax(target, dim=-1)
    log_q = torch.log_softmax(logits, dim=-1)
    return (log_p.exp() * (log_p - log_q)).sum(dim=-1).mean(dim=-1)
