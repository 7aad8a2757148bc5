"""The checked objects of one job, built from its config."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import torch

from subliminal import distill, metrics, store
from subliminal.config import variables
from subliminal.config.build import build, check, with_full_key
from subliminal.config.schema import Config, Distill, Teacher
from subliminal.data import Dataset, number_of_classes
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
    loss: distill.DistillLoss | distill.Supervised
    inputs: distill.Inputs
    init: distill.Init
    teacher_init: distill.Init
    targets: Targets | None  # None: the teacher's logits as they are
    second: SecondTask | None  # the teacher's, beside the digits
    steering: Steering | None  # of the teacher
    mitigations: tuple[Mitigation, ...]
    probes: tuple[Probe, ...]
    tracker: Tracker | None
    device: torch.device

    def check_seeds(self, seeds: Sequence[int]) -> None:
        """Raise a UserError if a seed lacks something, such as an earlier run."""
        if self.steering is not None:
            self.steering.check_seeds(self.teacher_network, seeds)

    def fetch(self) -> None:
        """Download missing data files; raise a UserError if that fails."""
        self.data.fetch()
        if isinstance(self.inputs, distill.Fetched):
            self.inputs.fetch()


# Fields of an `Experiment`, and the config's nodes that they are built from.
PARTS = {
    "data": "data",
    "inputs": "distill.inputs",
    "loss": "distill.loss",
    "init": "distill.init",
    "targets": "distill.targets",
    "teacher_init": "teacher.init",
    "teacher_optim": "teacher.optim",
    "second": "teacher.task",
    "steering": "teacher.steering",
    "optim": "optim",
    "tracker": "tracker",
}


def build_experiment(cfg: Config) -> Experiment:
    """Build all objects of a job, and check what no object can check alone.

    Args:
        cfg: see `subliminal.config.canonical.settings`.

    Raises:
        UserError: a value is wrong or out of range; one line says which and what is allowed.
    """
    check(Config, vars(cfg), "")
    device = choose_device(cfg.engine.device)
    # A config from a stranger must write below `outputs` alone.
    if why := store.misplaced(cfg.name):
        raise UserError(f"name={cfg.name}: {why}")
    made = {field: _built(cfg, key) for field, key in PARTS.items()}
    data: Dataset = made["data"]
    inputs: distill.Inputs = made["inputs"]
    _check_batch("teacher", cfg.teacher, data.train_size, "training digits")
    _check_batch("distill", cfg.distill, inputs.size, "distillation inputs")
    if isinstance(inputs, distill.Fitted):
        inputs.fits(data.pixels)
    teacher_network, network = _networks(_built(cfg, "model"), _built(cfg, "distill.model"), data)
    experiment = Experiment(
        **made,
        network=network,
        teacher_network=teacher_network,
        mitigations=tuple(build(m, f"mitigation.{name}") for name, m in cfg.mitigation.items()),
        probes=tuple(build(probe, f"probe.{name}") for name, probe in cfg.probe.items()),
        device=device,
    )
    _check_together(cfg, experiment)
    return experiment


def _built(cfg: Config, key: str) -> Any:
    """Return the object that a config's node describes; None without one."""
    node = attrgetter(key)(cfg)
    return None if node is None else build(node, key)


def _networks(model: Model, own: Model | None, data: Dataset) -> tuple[Network, Network]:
    """Return the teacher's network, and the student's where it has a model of its own."""
    pixels, classes = data.pixels, number_of_classes(data)
    teacher = Network.of(model, pixels=pixels, classes=classes)
    if own is None:
        return teacher, teacher
    try:
        student = Network.of(own, pixels=pixels, classes=classes)
    except UserError as error:  # its message names `model`
        raise UserError(with_full_key(str(error), "distill.model", type(own).__name__)) from error
    if own.aux != model.aux:
        raise UserError(
            f"distill.model.aux={own.aux}: the student matches the teacher's auxiliary "
            f"logits, so their number must be the same; model.aux={model.aux}"
        )
    return teacher, student


def _check_together(cfg: Config, made: Experiment) -> None:
    """Check constraints between parts of the config."""
    network, teacher_network = made.network, made.teacher_network
    if isinstance(made.loss, distill.Supervised) and not isinstance(made.inputs, distill.OfDigits):
        raise UserError(
            "distill.loss needs labels, which only digits have; use distill/inputs=mnist"
        )
    if not any(probe.gives_trait_batch for probe in made.probes):
        for name, mitigation in zip(cfg.mitigation, made.mitigations, strict=True):
            if mitigation.needs_probe:
                raise UserError(
                    f"mitigation={name} needs the trait gradient on the alignment probe's batch; "
                    "use probe=alignment"
                )
    if min(cfg.trait.steps, default=0) < 0:
        raise UserError(f"trait.steps={cfg.trait.steps}: numbers of updates ≥ 0 are needed")
    if cfg.trait.on == "validation" and not getattr(made.data, "validation", 0):
        raise UserError(
            "trait.on=validation: no digits are held out; set data.validation, to 10000, say"
        )
    if not cfg.objective or not set(cfg.objective) <= metrics.NAMES:
        unknown = sorted(set(cfg.objective) - metrics.NAMES)
        what = f"no metric {unknown[0]}" if unknown else "at least one metric is needed"
        raise UserError(f"objective: {what}; there is {', '.join(sorted(metrics.NAMES))}")
    if isinstance(made.loss, distill.Demanding):
        made.loss.check(network)
    for mitigation in made.mitigations:
        mitigation.check(network)
    for probe in made.probes:
        probe.check(network)
        if probe.needs_fixed_images and made.inputs.fresh:
            raise UserError(
                f"distill.inputs.fresh=true: {type(probe).__name__.lower()} follows each image "
                "through the run; use fixed images, or no such probe"
            )
    if made.targets is not None:
        if made.targets.masks and isinstance(made.loss, distill.Supervised):
            raise UserError(
                "distill.targets: this loss teaches labels too, so that an image without a target "
                "would still teach; use another distill/loss"
            )
        left, batch = round(made.targets.kept * made.inputs.size), cfg.distill.batch_size
        if made.targets.kept < 1 and left < batch:
            raise UserError(
                f"distill.targets: leaves {left} of {made.inputs.size} images a target; at least "
                f"a batch is needed (distill.batch_size={batch})"
            )
    made.init.check(network, teacher_network)
    made.teacher_init.check(teacher_network, teacher_network)
    for part in (made.targets, made.second, made.steering):
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


def set_arithmetic(cfg: Config) -> None:
    """Set all that decides the last bits: threads, precision, deterministic kernels."""
    torch.set_num_threads(cfg.engine.threads)
    torch.set_float32_matmul_precision(cfg.engine.precision)
    # A GPU's convolutions have a switch of their own, which torch leaves on: TF32 at `highest` too.
    torch.backends.cudnn.allow_tf32 = cfg.engine.precision != "highest"
    os.environ.update(variables.OURS)
    # Not `use_deterministic_algorithms`, which imports the compiler: a second for each process.
    torch.set_deterministic_debug_mode("error")
    # The loop reads no uninitialised memory; filling it would only cost time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def _check_batch(name: str, phase: Teacher | Distill, size: int, what: str) -> None:
    if phase.batch_size > size:
        raise UserError(
            f"{name}.batch_size={phase.batch_size}: between 1 and {size}, the number of {what}"
        )


def _check_layers(name: str, phase: Teacher | Distill, layout: Layout) -> None:
    """Check the names of frozen and perturbed layers; one layer at least must be trained."""
    if layout.named(phase.frozen, f"{name}.frozen") == layout.shapes.keys():
        raise UserError(f"{name}.frozen={list(phase.frozen)}: at least one layer must be trained")
    for moment in ("perturb_before", "perturb_after"):
        if hasattr(phase, moment):
            check_perturbation(getattr(phase, moment), layout, f"{name}.{moment}")
