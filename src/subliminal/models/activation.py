"""What hidden layers apply to each of their values."""

import torch
from torch import Tensor
from torch.nn import functional as F

from subliminal.errors import UserError

ACTIVATIONS = {"relu": torch.relu_, "tanh": torch.tanh_, "sigmoid": torch.sigmoid_, "gelu": F.gelu}


def check(name: str) -> None:
    """Raise a UserError when there is no such activation."""
    if name not in ACTIVATIONS:
        raise UserError(f"model.activation={name}: one of {', '.join(ACTIVATIONS)}")


def activate(name: str, h: Tensor) -> Tensor:
    """Return the activations of h, in whose memory they may be; gelu is the exact one, by erf."""
    return ACTIVATIONS[name](h)
