"""A config turned into checked objects: all that a stack of seeds needs to know."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from omegaconf import DictConfig

from subliminal import metrics, store
from subliminal.config.build import build, placed
from subliminal.config.canonical import canonical
from subliminal.config.schema import DEVICES, PRECISIONS
from subliminal.config.seeds import SEED_LIMIT
from subliminal.data import MEASURED_ON, Dataset, number_of_classes
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


class _View(dict[str, Any]):
    """Plain values of a checked config, by attribute."""

    def __getattr__(self, name: str) -> Any:
        return self[name]


def build_experiment(config: DictConfig | Mapping[str, Any]) -> Experiment:
    """Build all objects of a job and check what no object can check alone.

    Raises:
        UserError: a value is wrong or out of range; one line says which and what is allowed.
    """
    cfg = json.loads(json.dumps(canonical(config)), object_hook=_View)
    device = choose_device(cfg.engine.device)
    # A config from a stranger must not write elsewhere than below `outputs`.
    if why := store.misplaced(cfg.name):
        raise UserError(f"name={cfg.name}: {why}")
    _check_engine(cfg.engine)
    data: Dataset = build(cfg.data, "data")
    model: Model = build(cfg.model, "model")
    inputs: Inputs = build(cfg.distill.inputs, "distill.inputs")
    loss: DistillLoss | Supervised = build(cfg.distill.loss, "distill.loss")
    if isinstance(loss, Supervised) and not isinstance(inputs, OfDigits):
        raise UserError(
            "distill.loss looks at labels, which only digits have; use distill/inputs=mnist"
        )
    _check_phase("teacher", cfg.teacher, data.train_size, "training digits")
    _check_phase("distill", cfg.distill, inputs.size, "distillation inputs")
    probes: tuple[Probe, ...] = tuple(
        build(node, f"probe.{name}") for name, node in cfg.probe.items()
    )
    mitigations: tuple[Mitigation, ...] = tuple(
        build(node, f"mitigation.{name}") for name, node in cfg.mitigation.items()
    )
    if not any(probe.gives_trait_batch for probe in probes):
        for name, mitigation in zip(cfg.mitigation, mitigations, strict=True):
            if mitigation.needs_probe:
                raise UserError(
                    f"mitigation={name} takes the trait gradient from the alignment probe's "
                    "batch, and there is none; use probe=alignment"
                )
    if min(cfg.trait.steps, default=0) < 0:
        raise UserError(f"trait.steps={list(cfg.trait.steps)}: numbers of updates ≥ 0 are needed")
    if cfg.trait.on not in MEASURED_ON:
        raise UserError(f"trait.on={cfg.trait.on}: one of {', '.join(MEASURED_ON)}")
    if cfg.trait.on == "validation" and not getattr(data, "validation", 0):
        raise UserError("trait.on=validation: none are held out; add data.validation=10000, say")
    _check_pins(cfg.pin)
    if not cfg.objective or not set(cfg.objective) <= metrics.NAMES:
        unknown = sorted(set(cfg.objective) - metrics.NAMES)
        what = f"no metric {unknown[0]}" if unknown else "at least one metric is needed"
        raise UserError(f"objective: {what}; there is {', '.join(sorted(metrics.NAMES))}")
    if isinstance(inputs, Fitted):
        inputs.fits(data.pixels)
    sizes = {"pixels": data.pixels, "classes": number_of_classes(data)}
    teacher_network = Network.of(model, **sizes)
    network = teacher_network
    if cfg.distill.model is not None:
        own: Model = build(cfg.distill.model, "distill.model")
        try:
            network = Network.of(own, **sizes)
        except UserError as error:  # which says `model`
            raise UserError(placed(str(error), "distill.model", type(own).__name__)) from error
        if own.aux != model.aux:
            raise UserError(
                f"distill.model.aux={own.aux}: the student matches the teacher's auxiliary "
                f"logits, so their number must be the same; model.aux={model.aux}"
            )
    if isinstance(loss, Demanding):
        loss.check(network)
    for mitigation in mitigations:
        mitigation.check(network)
    for probe in probes:
        probe.check(network)
    init: Init = build(cfg.distill.init, "distill.init")
    teacher_init: Init = build(cfg.teacher.init, "teacher.init")
    init.check(network, teacher_network)
    teacher_init.check(teacher_network, teacher_network)
    targets: Targets | None = None
    if cfg.distill.targets is not None:
        targets = build(cfg.distill.targets, "distill.targets")
        targets.check(teacher_network)
    second: SecondTask | None = None
    if cfg.teacher.task is not None:
        second = build(cfg.teacher.task, "teacher.task")
        second.check(teacher_network)
    steering: Steering | None = None
    if cfg.teacher.steering is not None:
        steering = build(cfg.teacher.steering, "teacher.steering")
        steering.check(teacher_network)
    _check_layers("distill", cfg.distill, network.layout)
    _check_layers("teacher", cfg.teacher, teacher_network.layout)
    return Experiment(
        data=data,
        network=network,
        teacher_network=teacher_network,
        teacher_optim=build(cfg.teacher.optim, "teacher.optim"),
        optim=build(cfg.optim, "optim"),
        loss=loss,
        inputs=inputs,
        init=init,
        teacher_init=teacher_init,
        targets=targets,
        second=second,
        steering=steering,
        mitigations=mitigations,
        probes=probes,
        tracker=None if cfg.tracker is None else build(cfg.tracker, "tracker"),
        device=device,
    )


def choose_device(name: str) -> torch.device:
    """Return the device that `engine.device` names; `auto` takes cuda, mps or cpu, in that order.

    Raises:
        UserError: the name is unknown, or the machine has no such device.
    """
    if name not in DEVICES:
        raise UserError(f"engine.device={name}: one of {', '.join(DEVICES)}")
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


def _check_phase(name: str, phase: _View, size: int, what: str) -> None:
    if phase.epochs < 1:
        raise UserError(f"{name}.epochs={phase.epochs}: at least 1 epoch is needed")
    if not 1 <= phase.batch_size <= size:
        raise UserError(
            f"{name}.batch_size={phase.batch_size}: between 1 and {size}, the number of {what}"
        )


def _check_layers(name: str, phase: _View, layout: Layout) -> None:
    """Check what names layers, frozen or perturbed."""
    if layout.named(phase.frozen, f"{name}.frozen") == layout.shapes.keys():
        raise UserError(f"{name}.frozen={list(phase.frozen)}: at least one layer must be trained")
    for moment in ("perturb_before", "perturb_after"):
        if moment in phase:
            check_perturbation(phase[moment], layout, f"{name}.{moment}")


def _check_pins(pins: _View) -> None:
    for name in map(str, pins):
        seed = pins[name]
        if seed is not None and not 0 <= seed < SEED_LIMIT:
            raise UserError(f"pin.{name}={seed}: a seed from 0 to 2**63 - 1, or null")


def _check_engine(engine: _View) -> None:
    if engine.precision not in PRECISIONS:
        raise UserError(f"engine.precision={engine.precision}: one of {', '.join(PRECISIONS)}")
    for key in ("seeds_at_once", "workers", "threads"):
        if engine[key] is not None and engine[key] < 1:
            raise UserError(f"engine.{key}={engine[key]}: at least 1 is needed")
