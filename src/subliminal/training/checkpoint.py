"""Checkpoints: a seed's training at the end of an epoch, one safetensors file each.

Random streams are keyed by seed, name and epoch (`subliminal.tensors.streams`) and have no state:
weights, optimizer, measurements and the callbacks' state are all there is.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from subliminal import store
from subliminal.state import Training
from subliminal.state.callbacks import Callback
from subliminal.state.measurements import Table

log = logging.getLogger(__name__)

T = TypeVar("T")
FORMAT = 1  # a checkpoint of another format is not read
_SHARED, _ROW = "optimizer.shared.", "optimizer."  # a stack's common step count; a seed's moments


@dataclass(frozen=True)
class Saved:
    """One seed's checkpoint."""

    index: int  # updates done
    facts: dict[str, Any]  # see `RunFiles.checkpoint_facts`
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


@dataclass
class Checkpoints(Callback):
    """Writes each seed's checkpoint at the start and after each epoch; the last callback.

    Where it cannot be written (a full disk, say), a warning is logged and the last one stays.
    """

    paths: Mapping[int, Path]  # each seed's file
    callbacks: Sequence[Callback]  # those whose state is saved
    failed: Container[int] = ()  # seeds whose training is broken: their last good checkpoint stays
    facts: Callable[[int], dict[str, Any]] = lambda _: {}  # a seed's further facts, as plain JSON

    def on_train_start(self, training: Training) -> None:
        """Write: from here on the run keeps its id."""
        self.on_epoch_end(training)

    def on_epoch_end(self, training: Training) -> None:
        table = training.metrics.table(len(training.seeds))
        states = {name: c.state() for name, c in _named(self.callbacks).items()}
        for column, seed in enumerate(training.seeds):
            if seed in self.failed:
                continue
            content = {
                "format": FORMAT,
                "index": training.index,
                "facts": self.facts(seed),
                "names": table.names,
                "of_network": sorted(training.metrics.of_network),
            }
            tensors = _row(training, states, table, column)
            try:
                write(self.paths[seed], tensors, content)
            except (OSError, SafetensorError) as error:
                log.warning("Checkpoint %s not written (%s).", self.paths[seed], error)


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
    # safetensors refuses tensors that share memory.
    return {name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}


def restore(training: Training, callbacks: Sequence[Callback], saved: Sequence[Saved]) -> None:
    """Bring a fresh training of a stack, and its callbacks, to where its checkpoints were written.

    Args:
        training: of the same config, with the seeds in the order of `saved`.
        callbacks: `on_resume` is called in place of `on_train_start`.
        saved: each seed's checkpoint, all with the same `stacks_with`.
    """
    first, device = saved[0], training.theta.device
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
    """Name callbacks by class and by order within it, whatever tracker runs beside them."""
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
    """Return the checkpoint at `path`; None without one, or with a warning if it is damaged."""

    def checked(tensors: dict[str, Tensor], metadata: dict[str, str]) -> Saved:
        content = json.loads(metadata["content"])
        if content.pop("format") != FORMAT:
            raise ValueError("its format is that of another version")
        return Saved(tensors=tensors, **content)

    return read_checked(path, "Checkpoint %s is damaged (%s) and not used.", checked)


def read_checked(
    path: Path, warning: str, check: Callable[[dict[str, Tensor], dict[str, str]], T]
) -> T | None:
    """Return what `check` makes of a file's tensors and metadata, once its checksum holds.

    None without the file, or where it is damaged, after a warning with its path and the reason.
    """
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata()
        if fingerprint(tensors, metadata.get("content", "")) != metadata["sha256"]:
            raise ValueError("its content does not have its checksum")
        return check(tensors, metadata)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning(warning, path, error)
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
        resume: False starts all seeds anew, whatever checkpoints there are.
    """
    saved = {seed: read(path) if resume else None for seed, path in paths.items()}
    groups: dict[tuple[Any, ...], list[int]] = {}
    for seed, one in sorted(saved.items(), key=lambda item: item[1] is not None):  # fresh first
        groups.setdefault(() if one is None else one.stacks_with, []).append(seed)
    return [
        (tuple(seeds), [one for seed in seeds if (one := saved[seed])]) for seeds in groups.values()
    ]
