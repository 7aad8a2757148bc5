"""What hidden layers apply to each of their values."""

import torch
from torch import Tensor
from torch.nn import functional as F

ACTIVATIONS = {"relu": torch.relu_, "tanh": torch.tanh_, "sigmoid": torch.sigmoid_, "gelu": F.gelu}


def activate(name: str, h: Tensor) -> Tensor:
    """Return the activations of h, in whose memory they may be; gelu is the exact one, by erf."""
    return ACTIVATIONS[name](h)
