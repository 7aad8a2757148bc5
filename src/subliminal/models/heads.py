"""What models share: activations, initial weights, and a class and an auxiliary head on features.

Source: Brockers et al. 2026 (arXiv 2605.23645), who freeze, randomise and perturb the two heads
apart from each other.
"""

from collections.abc import Mapping
from math import prod

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from subliminal.tensors.layout import Layout

SCHEMES = ("lecun", "he", "torch", "orthogonal")
# Activations of h may be in its memory; gelu is the exact one, by erf.
ACTIVATIONS = {"relu": torch.relu_, "tanh": torch.tanh_, "sigmoid": torch.sigmoid_, "gelu": F.gelu}
ACTIVATIONS |= {"identity": torch.positive}


def shapes(features: int, classes: int, aux: int) -> dict[str, tuple[int, ...]]:
    """Return the heads' parameters: `class` and `aux`, each a linear layer on the features."""
    return {
        "class.weight": (classes, features),
        "class.bias": (classes,),
        "aux.weight": (aux, features),
        "aux.bias": (aux,),
    }


def linear(params: Mapping[str, Tensor], layer: str, x: Tensor) -> Tensor:
    """Apply a linear layer of each seed: (seeds, batch, in) -> (seeds, batch, out)."""
    weight, bias = params[f"{layer}.weight"], params[f"{layer}.bias"]
    return torch.baddbmm(bias[:, None], x, weight.transpose(1, 2))


def logits(params: Mapping[str, Tensor], features: Tensor) -> Tensor:
    """Map features (seeds, batch, width) to logits (seeds, batch, classes + aux)."""
    return torch.cat([linear(params, head, features) for head in ("class", "aux")], dim=-1)


def draw(
    layout: Layout, scheme: str, *, generator: np.random.Generator, scale: float = 1.0
) -> dict[str, np.ndarray]:
    """Draw one seed's initial weights, float32.

    Args:
        layout: names and shapes; a weight's first dimension is its fan-out, the rest its fan-in.
        scheme: `lecun`: weights N(0, 1/fan_in), biases 0, as the joint-head MLP has them;
            `he`: weights N(0, 2/fan_in), biases 0 (He et al. 2015, arXiv 1502.01852);
            `torch`: weights and biases U(±1/√fan_in), PyTorch's default for linear layers and
            convolutions;
            `orthogonal`: a weight's rows (its columns, if there are more rows) are orthonormal,
            uniform over all such, biases 0 (Saxe et al. 2014, arXiv 1312.6120).
        generator: the source of randomness.
        scale: of all that is drawn.
    """
    drawn: dict[str, np.ndarray] = {}
    for name, shape in layout.shapes.items():
        layer = name.rpartition(".")[0]
        bound = 1 / np.sqrt(prod(layout.shapes[f"{layer}.weight"][1:]), dtype=np.float32)
        if scheme == "torch":
            values = generator.random(shape, dtype=np.float32)
            drawn[name] = (2 * values - 1) * bound
        elif name.endswith("weight"):
            drawn[name] = generator.standard_normal(shape, dtype=np.float32) * bound
            if scheme == "he":
                drawn[name] *= np.sqrt(np.float32(2))
            elif scheme == "orthogonal":
                drawn[name] = _orthonormal(drawn[name])
        else:
            drawn[name] = np.zeros(shape, dtype=np.float32)
    return drawn if scale == 1 else {n: v * np.float32(scale) for n, v in drawn.items()}


def _orthonormal(weight: np.ndarray) -> np.ndarray:
    """Return the weight with orthonormal rows, or columns: by QR, whose R has no negative signs."""
    matrix = weight.reshape(len(weight), -1)
    wide = matrix.shape[0] < matrix.shape[1]
    q, r = np.linalg.qr((matrix.T if wide else matrix).astype(np.float64))
    q *= np.where(np.diag(r) < 0, -1, 1)
    made: np.ndarray = (q.T if wide else q).reshape(weight.shape).astype(np.float32)
    return made


def draw_updates(layout: Layout, *, generator: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw low-rank updates (Hu et al. 2021, arXiv 2106.09685), float32: `….down`, `….up`.

    A (r, in) is N(0, 1/in) and B (out, r) 0, so that B · A changes nothing at the start.
    """
    drawn = {}
    for name, shape in layout.shapes.items():
        if name.endswith(".down"):
            values = generator.standard_normal(shape, dtype=np.float32)
            drawn[name] = values / np.sqrt(shape[1], dtype=np.float32)
        elif name.endswith(".up"):
            drawn[name] = np.zeros(shape, dtype=np.float32)
    return drawn
