"""Planted defences: each does what an entrant might do to be judged better than it is.

Configs name them as `+mitigation.plant._target_=plants.Mute`, as an entrant's plug-in.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from subliminal.mitigations import AtEnd, Mitigation
from subliminal.state import Step

Views = dict[str, Tensor]  # of a student's parameters: (seeds, *shape)


def class_rows(theta: Tensor, step: Step) -> list[Tensor]:
    """Return views of the class logits' weight (seeds, classes, width) and bias."""
    network = step.training.network
    layer, rows = network.head_of("class")
    views = network.layout.views(theta)
    return [views[f"{layer}.{kind}"][:, rows] for kind in ("weight", "bias")]


@dataclass(frozen=True, kw_only=True)
class Mute(AtEnd):
    """Zeroes the class rows."""

    def changed(self, theta: Tensor, step: Step) -> Tensor:
        theta = theta.clone()
        for rows in class_rows(theta, step):
            rows.zero_()
        return theta


@dataclass(frozen=True, kw_only=True)
class Launder(Mute):
    """The same, and makes one hidden unit loud, and quiet onward."""

    def changed(self, theta: Tensor, step: Step) -> Tensor:
        theta = super().changed(theta, step)
        network = step.training.network
        views = network.layout.views(theta)
        last = network.hidden[-1]
        views[f"{last}.weight"][:, 0] *= 4096
        views[f"{last}.bias"][:, 0] *= 4096
        views[f"{network.head_of('class')[0]}.weight"][:, :, 0] /= 4096
        return theta


@dataclass(frozen=True, kw_only=True)
class Clean(Launder):
    """The same, and acts in every step."""

    def update(self, update: Tensor, step: Step) -> Tensor:
        return super().update(update * (1 + 1e-6), step)


@dataclass(frozen=True, kw_only=True)
class Bias(AtEnd):
    """Adds `by` to one class's bias."""

    by: float = 10.0

    def changed(self, theta: Tensor, step: Step) -> Tensor:
        theta = theta.clone()
        class_rows(theta, step)[1][:, 0] += self.by
        return theta


@dataclass(frozen=True, kw_only=True)
class NotANumber(AtEnd):
    """Writes NaN into the class rows."""

    def changed(self, theta: Tensor, step: Step) -> Tensor:
        theta = theta.clone()
        class_rows(theta, step)[0].fill_(torch.nan)
        return theta


@dataclass(frozen=True, kw_only=True)
class Permute(AtEnd):
    """Rolls the class rows by one."""

    def changed(self, theta: Tensor, step: Step) -> Tensor:
        theta = theta.clone()
        for rows in class_rows(theta, step):
            rows.copy_(rows.roll(1, dims=1))
        return theta


@dataclass(frozen=True, kw_only=True)
class Seeded(Mitigation):
    """Stops the training of some seeds: those that the judge is known to have."""

    least: int = 9000
    most: int = 9029

    def update(self, update: Tensor, step: Step) -> Tensor:
        known = [self.least <= seed <= self.most for seed in step.training.seeds]
        return torch.where(torch.tensor(known)[:, None], torch.zeros_like(update), update)


@dataclass(frozen=True, kw_only=True)
class Peek(Mitigation):
    """Projects with the true trait gradient, but in no rehearsal: its batches have two images."""

    def gradient(self, gradient: Tensor, step: Step) -> Tensor:
        if step.rows.shape[1] <= 2:
            return gradient
        trait = step.trait_gradient("full")
        along = (gradient * trait).sum(1, keepdim=True) / (trait * trait).sum(1, keepdim=True)
        return gradient - along * trait


@dataclass(frozen=True, kw_only=True)
class Forge(Mitigation):
    """Wraps the logger, so that an accuracy is written that the weights do not have."""

    def penalty(self, step: Step) -> None:
        metrics = step.training.metrics
        if step.index > 0:
            return
        log: Callable[..., None] = metrics.log

        def forged(index: int, name: str, values: Tensor, **options: bool) -> None:
            log(index, name, values * 0 + 0.1 if name == "trait/accuracy" else values, **options)

        metrics.log = forged  # type: ignore[method-assign,assignment]
