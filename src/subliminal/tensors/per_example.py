"""Derivatives of each example's own loss, without one gradient per example in memory."""

from collections.abc import Callable

import torch
from torch import Tensor

from subliminal.tensors.forward_mode import jvp
from subliminal.tensors.geometry import norm
from subliminal.tensors.network import BATCH, Network

NUMBERS = 2**20  # of the gradients that `gradient_norms` holds at once: they fit a core's cache

Losses = Callable[[Tensor], Tensor]  # logits (seeds, batch, k) to each example's (seeds, batch)


@torch.no_grad()
def products(
    network: Network, theta: Tensor, direction: Tensor, images: Tensor, losses: Losses
) -> Tensor:
    """Return ⟨∇θ ℓ_i, v⟩ of each example i, by one forward-mode derivative along v.

    (seeds, P), v (seeds, P), images (seeds, batch, pixels) -> (seeds, batch). It costs about two
    forward passes.
    """
    params, along = (network.layout.views(flat) for flat in (theta, direction))

    return jvp(lambda weights: losses(network.forward(weights, images)), params, along)[1]


def gradient_norms(
    network: Network, theta: Tensor, images: Tensor, losses: Losses, trainable: Tensor | None = None
) -> Tensor:
    """Return ‖∇θ ℓ_i‖ of each example i, as `products` does; `trainable` (P,) masks parameters.

    This costs a gradient of each example, some at a time, as if each were the batch of a seed.
    """
    logits = network.logits(theta, images).requires_grad_()
    (by_row,) = torch.autograd.grad(losses(logits).sum(), logits)
    slopes = by_row.reshape(*images.shape[:2], -1, by_row.shape[-1])  # (seeds, batch, answers, k)
    masks = {} if trainable is None else network.layout.views(trainable[None])
    some = max(1, NUMBERS // network.layout.size)
    rows = []
    for row, (weights, own, slope) in enumerate(zip(theta, images, slopes, strict=True)):
        found, alone = [], network.row(row)
        for x, by_logits in zip(own.split(some), slope.split(some), strict=True):
            views = network.layout.views(weights.expand(len(x), -1))
            leaves = {name: view.detach().requires_grad_() for name, view in views.items()}
            value = (alone.forward(leaves, x[:, None]) * by_logits).sum()
            parts = torch.autograd.grad(value, [*leaves.values()], materialize_grads=True)
            square = weights.new_zeros(len(x))
            for name, part in zip(leaves, parts, strict=True):
                kept = part * masks[name] if masks else part
                square += torch.linalg.vector_norm(kept.flatten(1), dim=1).square()
            found.append(square.sqrt())
        rows.append(torch.cat(found))
    return torch.stack(rows)


def distances(outputs: Tensor, others: Tensor, classes: int, rows: Tensor) -> Tensor:
    """Return the distance of two networks' auxiliary logits on each example: (seeds, batch).

    Outputs are (seeds, batch · answers, classes + m), rows (seeds, batch).
    """
    return norm((outputs - others)[..., classes:].reshape(*rows.shape, -1))


def batches(seeds: int, size: int, device: torch.device) -> tuple[Tensor, ...]:
    """Return the rows (seeds, batch) of `size` examples, some at a time."""
    return torch.split(torch.arange(size, device=device).expand(seeds, -1), BATCH, dim=1)
