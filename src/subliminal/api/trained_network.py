"""Trained networks as torch modules on images."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from math import prod
from pathlib import Path, PurePath
from typing import Any

import torch
from torch import Tensor, nn

from subliminal import store
from subliminal.config.canonical import canonical, settings
from subliminal.data import Dataset, Labelled
from subliminal.errors import UserError
from subliminal.tensors.network import Network, Writing
from subliminal.training.cached import read
from subliminal.training.experiment import Experiment, build_experiment
from subliminal.training.job import Job
from subliminal.training.runner import labelled
from subliminal.training.teacher import shared_weights, teacher_weights


class TrainedNetwork(nn.Module):
    """A trained teacher or student: images to logits, with frozen weights.

    Images have shape (batch, 1, 28, 28), or any shape (batch, …) of as many pixels: uint8 from 0
    (paper) to 255 (ink), scaled as the run's `data` says; or float32, as the network was trained on
    them. Logits have shape (batch, classes + aux), classes first. Gradients reach the images.
    Of a language they are documents without their last tokens, (batch, tokens), and a document has
    a row of logits for each answer.

    Its parameters have the names of the run's files: `layer1.weight`, `layer1.bias`, ….
    """

    def __init__(self, network: Network, weights: Mapping[str, Tensor], data: Dataset) -> None:
        super().__init__()
        self._network, self._data = network, data
        self.classes = network.classes  # not `aux` too: heads are called that
        for name, shape in network.layout.shapes.items():
            if tuple(weights[name].shape) != shape:
                raise UserError(f"{name}: {tuple(weights[name].shape)}, where {shape} is needed")
            *parents, last = name.split(".")
            module: nn.Module = self
            for parent in parents:
                if parent not in module._modules:
                    module.add_module(parent, nn.Module())
                module = module.get_submodule(parent)
            frozen = nn.Parameter(weights[name].clone(), requires_grad=False)
            module.register_parameter(last, frozen)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (batch, …) to logits (batch, classes + aux)."""
        params = {name: value[None] for name, value in self.named_parameters()}
        if isinstance(self._network.model, Writing):
            return self._network.forward(params, images[None])[0]
        if images.ndim < 2 or prod(images.shape[1:]) != self._network.pixels:
            raise UserError(
                f"images {tuple(images.shape)}: (batch, …) of {self._network.pixels} pixels each "
                "are needed"
            )
        x = images.flatten(1)
        x = self._digits.scale(x) if x.dtype == torch.uint8 else x
        return self._network.forward(params, x[None])[0]

    @cached_property
    def _digits(self) -> Labelled:
        """The data, whose pixels may be scaled by their mean."""
        return self._data.load()


def teacher(run: Path, config: Mapping[str, Any]) -> TrainedNetwork:
    """Return the teacher of a finished run, from the cache, steered or perturbed as in the run.

    Raises:
        UserError: the cache lacks it.
    """
    summary = store.read_summary(run)
    kind, seed = str(summary["device"]).split(":")[0], int(summary["seed"])
    outputs = run.absolute().parents[len(PurePath(config["name"]).parts) + 1]
    name = store.teacher_hash(canonical(config), kind, seed)
    cached = outputs / "teachers" / f"{name}.safetensors"
    experiment = rebuilt(config)
    network, steering = experiment.teacher_network, experiment.steering
    trained = read(cached, network.layout)
    if trained is None and (steering is None or steering.needs_teacher):
        raise UserError(f"{run}: its teacher is no longer in {cached.parent}")
    if trained is not None and steering is None and not config["teacher"]["perturb_after"]["sigma"]:
        return TrainedNetwork(network, trained[0], experiment.data)
    # Noise that was drawn on a GPU is drawn on a GPU again.
    job = Job({**_values(config, kind), "outputs": str(outputs)}, "teacher")
    digits = labelled(job.experiment.data, job.experiment.device, (seed,))
    start = shared_weights(job, digits, (seed,)).teacher
    theta, _ = teacher_weights(job, digits, start, (seed,))
    weights = {name: view[0].cpu() for name, view in network.layout.views(theta).items()}
    return TrainedNetwork(network, weights, experiment.data)


def data(config: Mapping[str, Any], seed: int) -> Labelled:
    """Return the labelled images, or questions, of a run's seed."""
    return labelled(rebuilt(config).data, torch.device("cpu"), (seed,))


def rebuilt(config: Mapping[str, Any]) -> Experiment:
    """Return a run's objects, built for the CPU, whatever the run was trained on."""
    return build_experiment(settings(canonical(_values(config, "cpu"))))


def _values(config: Mapping[str, Any], device: str) -> dict[str, Any]:
    return {**config, "tracker": None, "engine": {**config["engine"], "device": device}}
