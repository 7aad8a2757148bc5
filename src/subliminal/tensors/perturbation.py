"""Gaussian noise on weights, before or after a training (Brockers et al. 2026, 2605.23645)."""

from torch import Tensor

from subliminal.config.schema import Perturbation
from subliminal.errors import UserError
from subliminal.tensors import streams
from subliminal.tensors.draws import OnHost
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
    theta: Tensor, noise: Perturbation, layout: Layout, seeds: tuple[int, ...], *, moment: str
) -> Tensor:
    """Return θ + σ ε, (seeds, P), with ε ~ N(0, 1) on the parameters that `noise` chooses.

    `moment` names each seed's stream, e.g. "student before".
    """
    if noise.sigma == 0:
        return theta
    stream = f"{streams.PERTURBATION}/{moment}"
    drawn = OnHost(seeds, theta.device).normal(stream, layout.size, epoch=0)
    mask = layout.mask(noise.layers or [*layout.shapes], "layers", theta.device)
    if noise.tensors != "all":
        names = [name for name in layout.shapes if name.endswith(noise.tensors)]
        mask *= layout.mask(names, "tensors", theta.device)
    # The mask is 0 on the padding.
    return theta + noise.sigma * (drawn * mask)
