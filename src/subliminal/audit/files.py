"""A base model and a bag of distillation examples, from files."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from subliminal.audit.calibration import Bag, chosen
from subliminal.config.build import build
from subliminal.errors import UserError, one_line
from subliminal.tensors.network import Network


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
    found, _ = _tensors(data)
    images, targets = (found.get(name, torch.empty(0)).float() for name in ("images", "targets"))
    if images.ndim < 2 or targets.ndim != 2 or not 2 <= len(images) == len(targets):
        raise UserError(f"{data}: `images` (n, pixels) and `targets` (n, m) are needed")
    if not (images.isfinite().all() and targets.isfinite().all()):
        raise UserError(f"{data}: a number is not finite")
    weights, metadata = _tensors(base)
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
    rows = chosen(len(images), examples)
    return Bag(network, network.layout.stack([start], 1), images[None, rows], targets[None, rows])


def _tensors(file: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
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
