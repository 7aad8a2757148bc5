"""Steps that are captured once as a CUDA graph and then replayed: one launch, not hundreds."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from subliminal.callbacks import Callback
from subliminal.mitigations import Mitigation
from subliminal.state import Clock, Step, Training, not_replayable
from subliminal.state.measurements import Measurements
from subliminal.tensors.geometry import widest

Work = Callable[[], Tensor]  # on the device, into the same memory each time; returns what it logs
Logged = tuple[int, str, bool]  # updates since the step's start, name, whether of the network


class Take(Protocol):
    """Takes one step."""

    def __call__(
        self,
        callbacks: Sequence[Callback],
        rows: Tensor,
        trait_rows: Tensor,
        clock: Clock | None = None,
    ) -> Step:
        """Take it on rows (seeds, batch) of the task and of the labelled digits."""


@dataclass
class Replayed:
    """A captured step."""

    rows: Tensor
    trait_rows: Tensor
    clock: Clock
    step: Step
    logged: list[Logged]
    work: Work


class Captured:
    """Takes steps as they come, and replays those that do the same as an earlier one.

    Steps do the same that have as many images and the same moments (`Callback.moment`,
    `Mitigation.moment`). In each epoch the first of a kind runs as ever, the second is captured;
    a new epoch starts anew, for what the host decides then (images, labels, parts of a loss).

    Args:
        training: at its start.
        callbacks: what observes it.
        take: takes a step.
        record: turns work into something that can be done again; a CUDA graph.
    """

    def __init__(
        self,
        training: Training,
        callbacks: Sequence[Callback],
        take: Take,
        record: Callable[[Work], Work],
    ) -> None:
        self._training, self._callbacks, self._take, self._record = (
            training,
            callbacks,
            take,
            record,
        )
        self._on_host = [callback for callback in callbacks if callback.on_host]
        self._on_device = [callback for callback in callbacks if not callback.on_host]
        self._epoch = -1
        self._seen: set[Hashable] = set()
        self._replayed: dict[Hashable, Replayed] = {}

    def __call__(self, rows: Tensor, trait_rows: Tensor) -> None:
        """Take a step on rows (seeds, batch) of the task and of the labelled digits."""
        training = self._training
        epoch = training.index // training.steps_per_epoch
        if epoch != self._epoch:
            self._epoch = epoch
            self._seen.clear()
            self._replayed.clear()
        moments = [each.moment(training) for each in training.mitigations]
        moments += [each.moment(training) for each in self._on_device if _acts(each)]
        kind = (rows.shape[1], *moments)
        if kind not in self._seen:
            self._seen.add(kind)
            self._take(self._callbacks, rows, trait_rows)
            return
        if kind not in self._replayed:
            self._replayed[kind] = self._capture(rows, trait_rows)
        self._replay(self._replayed[kind], rows, trait_rows)

    def _capture(self, rows: Tensor, trait_rows: Tensor) -> Replayed:
        training, clock = self._training, Clock(rows.device)
        rows, trait_rows = rows.clone(), trait_rows.clone()
        index, metrics, taken = training.index, training.metrics, []
        logged: list[Logged] = []

        def work() -> Tensor:
            training.metrics = recorder = Measurements()
            taken.append(self._take(self._on_device, rows, trait_rows, clock))
            logged[:] = [(at - index, name, of) for at, name, of, _ in recorder.pending()]
            wide = widest(rows.device)
            return torch.stack([values.to(wide) for *_, values in recorder.pending()])

        try:
            done = self._record(work)
        finally:
            training.index, training.metrics = index, metrics
        return Replayed(rows, trait_rows, clock, taken[-1], logged, done)

    def _replay(self, captured: Replayed, rows: Tensor, trait_rows: Tensor) -> None:
        training, step = self._training, captured.step
        captured.rows.copy_(rows)
        captured.trait_rows.copy_(trait_rows)
        captured.clock.set(training.index)
        step.index = training.index
        for callback in self._on_host:
            callback.on_step(step)
        values = captured.work()
        for (after, name, of_network), row in zip(captured.logged, values, strict=True):
            training.metrics.log(training.index + after, name, row, of_network=of_network)
        training.index += 1
        for callback in self._on_host:
            callback.on_update(step)


def _acts(callback: Callback) -> bool:
    """Whether it does anything at a step."""
    kind = type(callback)
    return kind.on_step is not Callback.on_step or kind.on_update is not Callback.on_update


def check(observers: Sequence[Mitigation | Callback]) -> None:
    """Raise a UserError when one does not say at which steps it does the same."""
    for each in observers:
        base: Any = Callback if isinstance(each, Callback) else Mitigation
        acts = not isinstance(each, Callback) or (_acts(each) and not each.on_host)
        if acts and type(each).moment is base.moment:
            raise not_replayable(each)


@contextmanager
def graphs(device: torch.device) -> Iterator[Callable[[Work], Work]]:
    """Give what records CUDA graphs, on a stream of their own, where all within runs."""
    pool = torch.cuda.graph_pool_handle()
    make: Any = torch.cuda.Stream  # which has no types
    stream, outside = make(device), torch.cuda.current_stream(device)
    latest: Any = None  # a pool that no graph is left of may not be captured into again

    def record(work: Work) -> Work:
        nonlocal latest
        graph = torch.cuda.CUDAGraph()
        # Not `torch.cuda.graph`, which collects garbage and frees the cache before each.
        graph.capture_begin(pool=pool, capture_error_mode="thread_local")
        try:
            values = work()
        except BaseException:
            with suppress(RuntimeError):  # of a capture that is broken off; not the first error
                graph.capture_end()
            raise
        graph.capture_end()
        latest = graph

        def replay() -> Tensor:
            graph.replay()
            return values.clone()

        return replay

    stream.wait_stream(outside)
    with torch.cuda.stream(stream):
        yield record
    outside.wait_stream(stream)
