"""Checkpoints: a seed's training as it was at the end of an epoch, one safetensors file each.

Random streams are keyed by seed, name and epoch (`subliminal.tensors.streams`), so they have no
state to keep: weights, the optimizer, measurements and what callbacks gathered are all there is.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from subliminal import store
from subliminal.state import Training
from subliminal.state.callbacks import Callback
from subliminal.state.measurements import Table

log = logging.getLogger(__name__)

FORMAT = 1  # of the file; a checkpoint of another format is not read
_SHARED, _ROW = "optimizer.shared.", "optimizer."  # a stack's common step count; a seed's moments


@dataclass(frozen=True)
class Saved:
    """One seed's checkpoint."""

    index: int  # updates done
    facts: dict[str, Any]  # what the writer of the run's files needs to resume
    names: list[str]  # metrics, in the order of their first appearance
    of_network: list[str]  # those that describe the network, not a step
    tensors: dict[str, Tensor]

    @property
    def stacks_with(self) -> tuple[Any, ...]:
        """Seeds whose checkpoints have the same value here may resume in one stack."""
        shapes = sorted((name, tuple(tensor.shape)) for name, tensor in self.tensors.items())
        steps, there = self.tensors["metrics.steps"], self.tensors["metrics.there"]
        measured = (*self.names, steps.numpy().tobytes(), there.numpy().tobytes())
        return (self.index, *shapes, *measured)


class Checkpoints(Callback):
    """Writes each seed's checkpoint at the start and after each epoch. Comes last, after all.

    A checkpoint that cannot be written (a full disk, say) leaves the last one, and is told.

    Args:
        paths: each seed's file.
        callbacks: whose state belongs to the training.
        failed: seeds whose training is broken: their last good checkpoint stays.
        facts: what to keep besides for a seed; plain JSON.
    """

    def __init__(
        self,
        paths: Mapping[int, Path],
        callbacks: Sequence[Callback],
        *,
        failed: Container[int] = (),
        facts: Callable[[int], dict[str, Any]] = lambda _: {},
    ) -> None:
        self._paths, self._callbacks = paths, callbacks
        self._failed, self._facts = failed, facts

    def on_train_start(self, training: Training) -> None:
        """Write: from here on the run keeps its identity."""
        self._write(training)

    def on_epoch_end(self, training: Training) -> None:
        """Write."""
        self._write(training)

    def _write(self, training: Training) -> None:
        table = training.metrics.table(len(training.seeds))
        states = {name: c.state() for name, c in _named(self._callbacks).items()}
        for column, seed in enumerate(training.seeds):
            if seed in self._failed:
                continue
            content = {
                "format": FORMAT,
                "index": training.index,
                "facts": self._facts(seed),
                "names": table.names,
                "of_network": sorted(training.metrics.of_network),
            }
            tensors = _row(training, states, table, column)
            try:
                write(self._paths[seed], tensors, content)
            except (OSError, SafetensorError) as error:
                log.warning("Checkpoint %s not written (%s).", self._paths[seed], error)


def _row(
    training: Training, states: Mapping[str, Mapping[str, Tensor]], table: Table, column: int
) -> dict[str, Tensor]:
    tensors = {
        "theta": training.theta[column],
        "metrics.steps": torch.from_numpy(table.steps),
        "metrics.there": torch.from_numpy(table.there),
        "metrics.values": torch.from_numpy(table.values[column]),
    }
    for name, value in training.optimizer.state.items():
        of_seed = value.dim() > 0
        tensors[(_ROW if of_seed else _SHARED) + name] = value[column] if of_seed else value
    for owner, state in states.items():
        tensors |= {f"{owner}.{name}": value[column] for name, value in state.items()}
    # Copies: the file's tensors may share no memory.
    return {name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}


def restore(training: Training, callbacks: Sequence[Callback], saved: Sequence[Saved]) -> None:
    """Bring a fresh training of a stack, and its callbacks, to where its checkpoints were written.

    Args:
        training: of the same config, with the seeds in the order of `saved`.
        callbacks: hear of it by `on_resume`, in place of `on_train_start`.
        saved: each seed's checkpoint; `stacks_with` must be the same of all.
    """
    first = saved[0]
    device = training.theta.device
    stacked = {name: torch.stack([s.tensors[name] for s in saved]) for name in first.tensors}
    training.theta.copy_(stacked["theta"])
    state = training.optimizer.state
    for name, tensor in stacked.items():
        if name.startswith(_SHARED):
            state[name.removeprefix(_SHARED)] = tensor[0].clone().to(device)
        elif name.startswith(_ROW):
            state[name.removeprefix(_ROW)] = tensor.to(device)
    table = Table(
        steps=first.tensors["metrics.steps"].numpy(),
        names=first.names,
        there=first.tensors["metrics.there"].numpy(),
        values=stacked["metrics.values"].numpy(),
    )
    training.metrics.restore(table, of_network=first.of_network)
    training.index = first.index
    for owner, callback in _named(callbacks).items():
        prefix = f"{owner}."
        own = {
            n.removeprefix(prefix): t.to(device) for n, t in stacked.items() if n.startswith(prefix)
        }
        callback.on_resume(training, own)


def _named(callbacks: Sequence[Callback]) -> dict[str, Callback]:
    """Name callbacks by class and, within it, by order: whatever tracker runs beside them."""
    named: dict[str, Callback] = {}
    for callback in callbacks:
        kind = type(callback).__name__
        number = sum(type(other).__name__ == kind for other in named.values())
        named[f"callback.{kind}.{number}"] = callback
    return named


def write(path: Path, tensors: Mapping[str, Tensor], content: Mapping[str, Any]) -> None:
    """Write tensors and plain JSON `content` to one file, with a checksum over both."""
    text = json.dumps(content)
    metadata = {"content": text, "sha256": fingerprint(tensors, text)}
    store.write_atomically(path, partial(save_file, dict(tensors), metadata=metadata))


def read(path: Path) -> Saved | None:
    """Return the checkpoint at `path`; None when there is none or it is damaged (which is said)."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata()
        if fingerprint(tensors, metadata["content"]) != metadata["sha256"]:
            raise ValueError("its content does not have its checksum")
        content = json.loads(metadata["content"])
        if content.pop("format") != FORMAT:
            raise ValueError("its format is that of another version")
        return Saved(tensors=tensors, **content)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        log.warning("Checkpoint %s is damaged (%s) and not used.", path, error)
        return None


def fingerprint(tensors: Mapping[str, Tensor], text: str = "") -> str:
    """Return the SHA-256 of tensors, in the order of their names, and of a text."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(tensors[name].numpy().data)
    digest.update(text.encode())
    return digest.hexdigest()


def stacks(paths: Mapping[int, Path], *, resume: bool) -> list[tuple[tuple[int, ...], list[Saved]]]:
    """Split seeds into stacks of equal progress: each stack's seeds, and their checkpoints.

    Args:
        paths: each seed's checkpoint file.
        resume: False: leave checkpoints unread; all seeds start anew.
    """
    fresh: list[int] = []
    resumed: dict[tuple[Any, ...], list[tuple[int, Saved]]] = {}
    for seed, path in paths.items():
        saved = read(path) if resume else None
        if saved is None:
            fresh.append(seed)
        else:
            resumed.setdefault(saved.stacks_with, []).append((seed, saved))
    split = [(tuple(fresh), list[Saved]())] if fresh else []
    for group in resumed.values():
        seeds, saved_of = zip(*group, strict=True)
        split += [(seeds, list(saved_of))]
    return split
