"""A base model and a bag of distillation examples, from a finished run or from files."""

import json
from dataclasses import dataclass
from functools import cached_property
from math import log2
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from subliminal import store
from subliminal.config.build import build
from subliminal.errors import UserError, one_line
from subliminal.state.callbacks.files import RunFiles
from subliminal.state.callbacks.progress import Progress
from subliminal.tensors import streams
from subliminal.tensors.network import Network, Writing
from subliminal.training.checkpoint import fingerprint
from subliminal.training.job import Job
from subliminal.training.runner import prepare_student
from subliminal.training.tasks import Distillation

PER_OCTAVE = 2  # sizes of clean teachers' shifts for which calibrations are made


@dataclass(frozen=True)
class Bag:
    """K distillation examples, and the base that a student of them would start from."""

    network: Network
    theta: Tensor  # θ₀, (1, P)
    images: Tensor  # (1, K, pixels)
    targets: Tensor  # auxiliary logits, (1, K, m)

    @cached_property
    def params(self) -> dict[str, Tensor]:
        """θ₀ as named leaves (1, *shape)."""
        views = self.network.layout.views(self.theta)
        return {name: view.detach().requires_grad_() for name, view in views.items()}

    @cached_property
    def outputs(self) -> Tensor:
        """Auxiliary logits of θ₀ less each example's mean, (1, K, m)."""
        return contrast(self.network.forward(self.params, self.images)[..., self.network.classes :])

    def shift(self, targets: Tensor) -> Tensor:
        """Return how targets (teachers, k ≤ K, m) of the first examples differ from θ₀'s logits."""
        return contrast(targets) - self.outputs.detach()[:, : targets.shape[1]]

    @cached_property
    def spread(self) -> float:
        """The standard deviation of the targets' shifts over examples."""
        return float(spread(self.shift(self.targets)))

    @property
    def octave(self) -> int:
        """The step, of PER_OCTAVE to a factor of two, that is nearest to the spread."""
        return round(PER_OCTAVE * log2(self.spread))

    @cached_property
    def base(self) -> str:
        """The hash of θ₀ and its model."""
        return fingerprint({"theta": self.theta}, str(self.network.model))[:16]


def contrast(logits: Tensor) -> Tensor:
    """Return logits (…, m) less each example's mean, which a softmax does not see."""
    return logits - logits.mean(dim=-1, keepdim=True)


def spread(shift: Tensor) -> Tensor:
    """Return the standard deviation over examples of shifts (teachers, K, m): (teachers,)."""
    return (shift - shift.mean(dim=1, keepdim=True)).square().mean(dim=(1, 2)).sqrt()


def of_run(run: Path, examples: int, outputs: Path) -> Bag:
    """Return the base and a bag of the examples of a finished run.

    Its teacher is that of the cache below `outputs`, or trained again and kept there.

    Raises:
        UserError: there is no finished run, its config cannot be read, or its student was not
            taught auxiliary logits.
    """
    if not store.finished(run):
        raise UserError(f"{run}: no finished run; name a folder …/seed-0007 with a {store.MARKER}")
    config, seed = store.read_config(run), int(store.read_summary(run)["seed"])
    own: dict[str, Any] = {"outputs": str(outputs), "tracker": None, "probe": {}, "mitigation": {}}
    try:
        own["engine"] = {**config["engine"], "device": "cpu"}
    except (KeyError, TypeError) as error:
        raise UserError(f"{run}: its config cannot be read ({one_line(error)})") from error
    job = Job({**config, **own}, "audit")
    network = job.experiment.network
    if isinstance(network.model, Writing):
        raise UserError(f"{run}: its examples are documents; an audit takes images")
    matched = getattr(job.experiment.loss, "logits", "aux")
    if matched not in ("aux", "all") or network.model.aux < 2:
        raise UserError(
            f"{run}: its student matched {network.model.aux} auxiliary logits with "
            f"distill.loss.logits={matched}; at least 2 with aux or all are needed"
        )
    files = RunFiles({seed: run}, "", {"seconds": {}}, {seed: {"run_id": ""}})
    student, _ = prepare_student(job, files, Progress(lambda _: None, lambda: False))
    task = student.task
    assert isinstance(task, Distillation), "a student's task"
    task.start_epoch(0)
    everything = torch.arange(task.size)[None]
    targets = task.targets_at(everything)[..., network.classes :]
    taught = torch.nonzero(~targets[0].isnan().any(dim=1))[:, 0]  # targets may leave some out
    rows = taught[_chosen(len(taught), examples)][None]
    return Bag(network, student.reference, task.images(rows), targets[:, rows[0]])


def of_files(data: Path, base: Path, examples: int) -> Bag:
    """Return a base and a bag of the examples of a file, .npz or .safetensors.

    Args:
        data: float32 `images` (n, pixels) or (n, …), as the base takes them, and `targets` (n, m).
        base: .safetensors of θ₀'s parameters by name; its metadata have `model`, the config's node
            as JSON, and `classes`.
        examples: K.

    Raises:
        UserError: a file is missing or odd, or the base cannot take the images.
    """
    found, _ = read_tensors(data)
    images, targets = (found.get(name, torch.empty(0)).float() for name in ("images", "targets"))
    if images.ndim < 2 or targets.ndim != 2 or not 2 <= len(images) == len(targets):
        raise UserError(f"{data}: `images` (n, pixels) and `targets` (n, m) are needed")
    if not (images.isfinite().all() and targets.isfinite().all()):
        raise UserError(f"{data}: a number is not finite")
    weights, metadata = read_tensors(base)
    try:
        node, classes = json.loads(metadata["model"]), int(metadata["classes"])
    except (KeyError, ValueError) as error:
        raise UserError(f"{base}: metadata `model`, as JSON, and `classes` are needed") from error
    images = images.flatten(1)
    network = Network.of(build(node, "model"), pixels=images.shape[1], classes=classes)
    shapes = {name: tuple(values.shape) for name, values in weights.items()}
    for name, needed in network.layout.shapes.items():
        if shapes.get(name) != needed:
            raise UserError(
                f"{base}: {name} is {shapes.get(name, 'missing')}; images of {images.shape[1]} "
                f"pixels and {classes} classes need {needed}"
            )
    if targets.shape[1] != network.model.aux or network.model.aux < 2:
        raise UserError(
            f"{data}: targets of {targets.shape[1]} logits, where the base has "
            f"{network.model.aux} auxiliary ones; as many, and at least 2, are needed"
        )
    start = {name: weights[name].float() for name in network.layout.shapes}
    rows = _chosen(len(images), examples)
    return Bag(network, network.layout.stack([start], 1), images[None, rows], targets[None, rows])


def _chosen(size: int, examples: int) -> Tensor:
    """Return places of a bag's examples among `size`, always the same ones."""
    if not 2 <= examples <= size:
        raise UserError(f"--examples {examples}: between 2 and {size}, the number of examples")
    return torch.from_numpy(
        streams.stream(0, f"{streams.AUDIT}/examples").permutation(size)[:examples]
    )


def read_tensors(file: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors of a file, .npz or .safetensors, and its metadata."""
    try:
        if file.suffix == ".npz":
            with np.load(file, allow_pickle=False) as arrays:
                return {name: torch.from_numpy(arrays[name]) for name in arrays.files}, {}
        with safe_open(file, "pt") as opened:
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
            return tensors, opened.metadata() or {}
    except Exception as error:  # safetensors, zipfile and NumPy raise errors of many kinds
        raise UserError(f"{file}: cannot be read ({one_line(error)})") from error
