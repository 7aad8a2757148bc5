"""Gaussian noise on weights, before or after a training (Brockers et al. 2026, 2605.23645)."""

import numpy as np
import torch
from torch import Tensor

from subliminal.config.schema import Perturbation
from subliminal.errors import UserError
from subliminal.tensors import streams
from subliminal.tensors.layout import Layout

TENSORS = ("all", "weight", "bias")


def check(perturbation: Perturbation, layout: Layout, where: str) -> None:
    """Raise a UserError when a value is out of range or names a layer that is not there."""
    if not 0 <= perturbation.sigma < float("inf"):
        raise UserError(f"{where}.sigma={perturbation.sigma}: a number ≥ 0 is needed")
    if perturbation.tensors not in TENSORS:
        raise UserError(f"{where}.tensors={perturbation.tensors}: one of {', '.join(TENSORS)}")
    layout.named(perturbation.layers, f"{where}.layers")


def perturbed(
    theta: Tensor,
    perturbation: Perturbation,
    layout: Layout,
    seeds: tuple[int, ...],
    *,
    moment: str,
) -> Tensor:
    """Return θ + σ ε, ε ~ N(0, 1) on each chosen parameter, from each seed's stream of the moment.

    Args:
        theta: θ, (seeds, P).
        perturbation: σ, and the parameters that are chosen.
        layout: of θ.
        seeds: of the stack.
        moment: names the stream, e.g. "student before".
    """
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
