"""Seeds whose loss becomes NaN or infinite: they fail and leave a post-mortem file."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from subliminal import metrics, store
from subliminal.state import Step, Training
from subliminal.state.callbacks import Callback
from subliminal.tensors.geometry import norm


@dataclass
class Divergence(Callback):
    """Fails the seeds whose loss or weights are no longer finite; ends a stack of such seeds alone.

    The seeds of a stack share no number, so the others train on unchanged. On the CPU a stack
    without a sound seed ends at that step, on a GPU (which would have to wait for the check) at the
    end of the epoch. `post-mortem.safetensors` holds weights and gradient of the first bad step.
    """

    directories: Mapping[int, Path]  # each seed's
    failures: dict[int, str]  # receives the reason of each seed that fails
    _step: Tensor | None = None  # (seeds,): the first bad step; -1: none so far

    def on_step(self, step: Step) -> None:
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
            self._record(training)

    def on_epoch_end(self, training: Training) -> None:
        self._record(training)
        sound = torch.isfinite(training.theta).all(dim=1).tolist()
        for seed, finite in zip(training.seeds, sound, strict=True):
            if not finite:
                reason = f"weights are not finite after {training.index} updates"
                self.failures.setdefault(seed, reason)
        self._end_without_sound_seed(training)

    def _record(self, training: Training) -> None:
        """Write the post-mortem of each seed that is newly found bad."""
        if self._step is None:
            return
        for column, index in enumerate(self._step.tolist()):
            seed = training.seeds[column]
            if index < 0 or seed in self.failures:
                continue
            of_task, total = self._losses[:, column].tolist()
            finite = torch.isfinite(self._losses[0, column])
            name, value = (metrics.TRAIN_LOSS, total) if finite else (metrics.DISTILL_LOSS, of_task)
            theta, gradient = (f[[column]].cpu() for f in (self._theta, self._gradient))
            self.failures[seed] = (
                f"{name} is {value} at step {index} "
                f"(norms: weights {_length(theta)}, gradient {_length(gradient)})"
            )
            views = {"theta": theta, "gradient": gradient}
            tensors = {
                f"{kind}.{name}": view[0].detach().cpu().clone()
                for kind, flat in views.items()
                for name, view in training.network.layout.views(flat).items()
            }
            path = self.directories[seed] / store.POST_MORTEM
            metadata = {"reason": self.failures[seed]}
            store.write_atomically(path, partial(save_file, tensors, metadata=metadata))
        self._end_without_sound_seed(training)

    def _end_without_sound_seed(self, training: Training) -> None:
        if all(seed in self.failures for seed in training.seeds):
            raise FloatingPointError("; ".join(sorted(set(self.failures.values()))))


def _length(flat: Tensor) -> str:
    return f"{norm(flat.double()).item():.4g}"  # in float32 the squares would overflow
