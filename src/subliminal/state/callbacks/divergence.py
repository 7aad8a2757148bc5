"""A loss that is NaN or infinite: its seed has failed, and leaves what a post-mortem needs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from subliminal import metrics, store
from subliminal.state import Step, Training
from subliminal.state.callbacks import Callback
from subliminal.tensors.geometry import norm


class Divergence(Callback):
    """Names the seeds whose loss or weights are no longer finite; ends a stack that has no other.

    The seeds of a stack share no number, so the others train as if nothing had happened. On the
    CPU a stack without a sound seed ends at that step, elsewhere (where looking would make the
    device wait) at the end of the epoch. Weights and gradient of the seed's first bad step are
    written to `post-mortem.safetensors`.

    Args:
        directories: each seed's.
        failures: gets the reason of each seed that failed.
    """

    def __init__(self, directories: Mapping[int, Path], failures: dict[int, str]) -> None:
        self._directories, self._failures = directories, failures
        self._step: Tensor | None = None  # (seeds,): the first bad step; -1: none so far

    def on_step(self, step: Step) -> None:
        """Keep what a seed's first bad step saw."""
        training = step.training
        on_cpu = training.theta.device.type == "cpu"
        bad = ~torch.isfinite(step.total)
        if on_cpu and not bad.any():
            return
        if self._step is None:
            self._step = torch.full_like(bad, -1, dtype=torch.int64)
            self._losses = torch.zeros(2, *bad.shape, device=bad.device)
            self._theta = torch.zeros_like(training.theta)
            self._gradient = torch.zeros_like(training.theta)
        first = bad & (self._step < 0)
        losses = torch.stack([step.loss, step.total]).detach()  # else each step's graph is kept
        self._step.copy_(torch.where(first, step.index, self._step))
        self._losses.copy_(torch.where(first, losses, self._losses))
        self._theta.copy_(torch.where(first[:, None], training.theta, self._theta))
        self._gradient.copy_(torch.where(first[:, None], step.gradient, self._gradient))
        if on_cpu:
            self._tell(training)

    def on_epoch_end(self, training: Training) -> None:
        """Tell what went wrong in the epoch."""
        self._tell(training)
        sound = torch.isfinite(training.theta).all(dim=1).tolist()
        for seed, finite in zip(training.seeds, sound, strict=True):
            if not finite:
                reason = f"weights are not finite after {training.index} updates"
                self._failures.setdefault(seed, reason)
        self._end_without_sound_seed(training)

    def _tell(self, training: Training) -> None:
        if self._step is None:
            return
        for column, index in enumerate(self._step.tolist()):
            seed = training.seeds[column]
            if index < 0 or seed in self._failures:
                continue
            of_task, total = self._losses[:, column].tolist()
            finite = torch.isfinite(self._losses[0, column])
            name, value = (metrics.TRAIN_LOSS, total) if finite else (metrics.DISTILL_LOSS, of_task)
            theta, gradient = (f[[column]].cpu() for f in (self._theta, self._gradient))
            self._failures[seed] = (
                f"{name} is {value} at step {index} "
                f"(norms: weights {_length(theta)}, gradient {_length(gradient)})"
            )
            views = {"theta": theta, "gradient": gradient}
            tensors = {
                f"{kind}.{name}": view[0].detach().cpu().clone()
                for kind, flat in views.items()
                for name, view in training.network.layout.views(flat).items()
            }
            path = self._directories[seed] / store.POST_MORTEM
            metadata = {"reason": self._failures[seed]}
            store.write_atomically(path, partial(save_file, tensors, metadata=metadata))
        self._end_without_sound_seed(training)

    def _end_without_sound_seed(self, training: Training) -> None:
        if all(seed in self._failures for seed in training.seeds):
            raise FloatingPointError("; ".join(sorted(set(self._failures.values()))))


def _length(flat: Tensor) -> str:
    return f"{norm(flat.double()).item():.4g}"  # in float32 the squares would overflow
