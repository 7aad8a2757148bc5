"""A config turned into checked objects: all that a stack of seeds needs to know."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from subliminal import metrics, store
from subliminal.config.build import build, check, with_full_key
from subliminal.config.schema import Config, Distill, Teacher
from subliminal.data import Dataset, number_of_classes
from subliminal.distill import (
    Demanding,
    DistillLoss,
    Fetched,
    Fitted,
    Init,
    Inputs,
    OfDigits,
    Supervised,
)
from subliminal.distill.targets import Targets
from subliminal.errors import UserError
from subliminal.mitigations import Mitigation
from subliminal.models import Model
from subliminal.optim import Optim
from subliminal.probes import Probe
from subliminal.steering import Steering
from subliminal.tasks import SecondTask
from subliminal.tensors.layout import Layout
from subliminal.tensors.network import Network
from subliminal.tensors.perturbation import check as check_perturbation
from subliminal.trackers import Tracker


@dataclass(frozen=True)
class Experiment:
    """The checked objects of one job."""

    data: Dataset
    network: Network  # the student's
    teacher_network: Network
    teacher_optim: Optim
    optim: Optim
    loss: DistillLoss | Supervised
    inputs: Inputs
    init: Init
    teacher_init: Init
    targets: Targets | None  # None: the teacher's logits as they are
    second: SecondTask | None  # the teacher's, beside the digits
    steering: Steering | None  # of the teacher
    mitigations: tuple[Mitigation, ...]
    probes: tuple[Probe, ...]
    tracker: Tracker | None
    device: torch.device

    def check_seeds(self, seeds: Sequence[int]) -> None:
        """Raise a UserError when a seed lacks something, such as an earlier run."""
        if self.steering is not None:
            self.steering.check_seeds(self.teacher_network, seeds)

    def fetch(self) -> None:
        """Make sure that all data files are there; raise a UserError when they cannot be had."""
        self.data.fetch()
        if isinstance(self.inputs, Fetched):
            self.inputs.fetch()


def build_experiment(cfg: Config) -> Experiment:
    """Build all objects of a job and check what no object can check alone.

    Args:
        cfg: the settings of a canonical config, see `subliminal.config.canonical.settings`.

    Raises:
        UserError: a value is wrong or out of range; one line says which and what is allowed.
    """
    check(Config, vars(cfg), "")
    device = choose_device(cfg.engine.device)
    # A config from a stranger must not write elsewhere than below `outputs`.
    if why := store.misplaced(cfg.name):
        raise UserError(f"name={cfg.name}: {why}")
    made = {key: build(node, key) for key, node in _nodes(cfg).items() if node is not None}
    data: Dataset = made["data"]
    inputs: Inputs = made["distill.inputs"]
    _check_phase("teacher", cfg.teacher, data.train_size, "training digits")
    _check_phase("distill", cfg.distill, inputs.size, "distillation inputs")
    if isinstance(inputs, Fitted):
        inputs.fits(data.pixels)
    teacher_network, network = _networks(made, data)
    experiment = Experiment(
        data=data,
        network=network,
        teacher_network=teacher_network,
        teacher_optim=made["teacher.optim"],
        optim=made["optim"],
        loss=made["distill.loss"],
        inputs=inputs,
        init=made["distill.init"],
        teacher_init=made["teacher.init"],
        targets=made.get("distill.targets"),
        second=made.get("teacher.task"),
        steering=made.get("teacher.steering"),
        mitigations=tuple(made[f"mitigation.{name}"] for name in cfg.mitigation),
        probes=tuple(made[f"probe.{name}"] for name in cfg.probe),
        tracker=made.get("tracker"),
        device=device,
    )
    _check_together(cfg, experiment)
    return experiment


def _nodes(cfg: Config) -> dict[str, Any]:
    """Return the nodes that describe an object, by their keys in the config."""
    return {
        "data": cfg.data,
        "model": cfg.model,
        "distill.model": cfg.distill.model,
        "distill.inputs": cfg.distill.inputs,
        "distill.loss": cfg.distill.loss,
        "distill.init": cfg.distill.init,
        "distill.targets": cfg.distill.targets,
        "teacher.init": cfg.teacher.init,
        "teacher.optim": cfg.teacher.optim,
        "teacher.task": cfg.teacher.task,
        "teacher.steering": cfg.teacher.steering,
        "optim": cfg.optim,
        **{f"probe.{name}": node for name, node in cfg.probe.items()},
        **{f"mitigation.{name}": node for name, node in cfg.mitigation.items()},
        "tracker": cfg.tracker,
    }


def _networks(made: Mapping[str, Any], data: Dataset) -> tuple[Network, Network]:
    """Return the teacher's network and the student's."""
    pixels, classes = data.pixels, number_of_classes(data)
    model: Model = made["model"]
    teacher = Network.of(model, pixels=pixels, classes=classes)
    own: Model | None = made.get("distill.model")
    if own is None:
        return teacher, teacher
    try:
        student = Network.of(own, pixels=pixels, classes=classes)
    except UserError as error:  # which says `model`
        raise UserError(with_full_key(str(error), "distill.model", type(own).__name__)) from error
    if own.aux != model.aux:
        raise UserError(
            f"distill.model.aux={own.aux}: the student matches the teacher's auxiliary "
            f"logits, so their number must be the same; model.aux={model.aux}"
        )
    return teacher, student


def _check_together(cfg: Config, made: Experiment) -> None:
    """Check what depends on two parts of the config."""
    network, teacher_network = made.network, made.teacher_network
    if isinstance(made.loss, Supervised) and not isinstance(made.inputs, OfDigits):
        raise UserError(
            "distill.loss looks at labels, which only digits have; use distill/inputs=mnist"
        )
    if not any(probe.gives_trait_batch for probe in made.probes):
        for name, mitigation in zip(cfg.mitigation, made.mitigations, strict=True):
            if mitigation.needs_probe:
                raise UserError(
                    f"mitigation={name} takes the trait gradient from the alignment probe's "
                    "batch, and there is none; use probe=alignment"
                )
    if min(cfg.trait.steps, default=0) < 0:
        raise UserError(f"trait.steps={cfg.trait.steps}: numbers of updates ≥ 0 are needed")
    if cfg.trait.on == "validation" and not getattr(made.data, "validation", 0):
        raise UserError("trait.on=validation: none are held out; add data.validation=10000, say")
    if not cfg.objective or not set(cfg.objective) <= metrics.NAMES:
        unknown = sorted(set(cfg.objective) - metrics.NAMES)
        what = f"no metric {unknown[0]}" if unknown else "at least one metric is needed"
        raise UserError(f"objective: {what}; there is {', '.join(sorted(metrics.NAMES))}")
    if isinstance(made.loss, Demanding):
        made.loss.check(network)
    for mitigation in made.mitigations:
        mitigation.check(network)
    for probe in made.probes:
        probe.check(network)
    made.init.check(network, teacher_network)
    made.teacher_init.check(teacher_network, teacher_network)
    of_teacher: list[Targets | SecondTask | Steering | None]
    of_teacher = [made.targets, made.second, made.steering]
    for part in of_teacher:
        if part is not None:
            part.check(teacher_network)
    _check_layers("distill", cfg.distill, network.layout)
    _check_layers("teacher", cfg.teacher, teacher_network.layout)


def choose_device(name: str) -> torch.device:
    """Return the device that `engine.device` names; `auto` takes cuda, mps or cpu, in that order.

    Raises:
        UserError: the machine has no such device.
    """
    found = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.mps.is_available()}
    if name == "auto":
        name = next(kind for kind in ("cuda", "mps", "cpu") if found[kind])
    if not found[name]:
        there = ", ".join(kind for kind, is_there in found.items() if is_there)
        raise UserError(f"engine.device={name}: this machine has none; it has {there}")
    return torch.device(name)


def card(device: torch.device) -> str | None:
    """Return a GPU's name: its bits are those of its kind alone. None for other devices."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else None


def _check_phase(name: str, phase: Teacher | Distill, size: int, what: str) -> None:
    if phase.batch_size > size:
        raise UserError(
            f"{name}.batch_size={phase.batch_size}: between 1 and {size}, the number of {what}"
        )


def _check_layers(name: str, phase: Teacher | Distill, layout: Layout) -> None:
    """Check the names of frozen and perturbed layers."""
    if layout.named(phase.frozen, f"{name}.frozen") == layout.shapes.keys():
        raise UserError(f"{name}.frozen={list(phase.frozen)}: at least one layer must be trained")
    for moment in ("perturb_before", "perturb_after"):
        if hasattr(phase, moment):
            check_perturbation(getattr(phase, moment), layout, f"{name}.{moment}")
