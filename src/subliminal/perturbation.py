"""Gaussian noise on weights, before or after a training (Brockers et al. 2026, 2605.23645)."""

from dataclasses import dataclass, field

import numpy as np
import torch
from omegaconf import MISSING
from torch import Tensor

from subliminal import streams
from subliminal.errors import UserError
from subliminal.layout import Layout

TENSORS = ("all", "weight", "bias")


@dataclass
class Perturbation:
    """θ + σ ε with ε ~ N(0, 1) on each of the chosen parameters.

    Attributes:
        sigma: standard deviation σ ≥ 0; for scale, the first layer's initial weights have
            1/28 ≈ 0.036.
        layers: the layers that are perturbed, e.g. [layer1, aux]; empty: all.
        tensors: of these: all | weight | bias.
    """

    sigma: float = MISSING
    layers: list[str] = field(default_factory=list)
    tensors: str = MISSING


def check(perturbation: Perturbation, layout: Layout, where: str) -> None:
    """Raise a UserError when a value is out of range or names a layer that is not there."""
    if not 0 <= perturbation.sigma < float("inf"):
        raise UserError(f"{where}.sigma={perturbation.sigma}: a number ≥ 0 is needed")
    if perturbation.tensors not in TENSORS:
        raise UserError(f"{where}.tensors={perturbation.tensors}: one of {', '.join(TENSORS)}")
    layout.mask(perturbation.layers, f"{where}.layers")


def perturbed(
    theta: Tensor,
    perturbation: Perturbation,
    layout: Layout,
    seeds: tuple[int, ...],
    *,
    moment: str,
) -> Tensor:
    """Return the weights (seeds, P) with the noise of each seed's stream of this `moment`."""
    if perturbation.sigma == 0:
        return theta
    noise = [
        streams.stream(seed, f"{streams.PERTURBATION}/{moment}").standard_normal(
            layout.size, dtype=np.float32
        )
        for seed in seeds
    ]
    mask = layout.mask(perturbation.layers or [*layout.shapes], "layers")
    if perturbation.tensors != "all":
        mask *= layout.mask(
            [name for name in layout.shapes if name.endswith(perturbation.tensors)], "tensors"
        )
    drawn = torch.from_numpy(np.stack(noise)) * mask  # the mask is 0 on the padding
    return theta + perturbation.sigma * drawn.to(theta.device)
