"""The trained student in a few bits a weight."""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Interval
from torch import Tensor

from subliminal.mitigations import AtEnd
from subliminal.state import Step


@dataclass(frozen=True, kw_only=True)
class Rounding(AtEnd):
    """After the last step each weight becomes the nearest of 2^bits − 1 even values.

    They are s · {−q, …, q} with q = 2^(bits − 1) − 1 and s such that the tensor's largest |θ| is
    s · q: symmetric rounding to the nearest, tensor by tensor.

    Attributes:
        bits: ≥ 2.
    """

    bits: Annotated[int, Interval(ge=2, le=16)]

    def changed(self, theta: Tensor, step: Step) -> Tensor:
        rounded, most = theta.clone(), 2 ** (self.bits - 1) - 1
        for span in step.training.network.layout.spans.values():
            part = theta[:, span]
            unit = part.abs().amax(dim=1, keepdim=True) / most
            rounded[:, span] = torch.where(unit > 0, (part / unit).round() * unit, part)
        return rounded
