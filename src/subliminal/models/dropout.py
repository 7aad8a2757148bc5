"""Dropout (Srivastava et al. 2014) for modules whose weights are in a stack of seeds."""

import torch
from torch import Tensor, nn


class Dropout(nn.Module):
    """In a training's steps, zero each number with probability p and divide the others by 1 − p.

    The choice is drawn for each step, image and place from the seed's own stream `teacher_dropout`
    or `student_dropout`, so it depends on no neighbour, and a resumed run draws it again. All other
    passes are without dropout: frozen models' logits, tests, the trait gradient and the forward
    passes of probes and mitigations.

    Each place needs a layer of its own: a layer that is called twice is refused when its network
    is validated.

    Args:
        p: in [0, 1).
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"the rate of Dropout is {p}; it must be in [0, 1)")
        self.p = p
        # The step's factors (batch, …) take its place (`subliminal.models.backbone`).
        self.register_buffer("factor", torch.ones(()), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, …) to the same shape."""
        return x * self.get_buffer("factor") if self.p else x
