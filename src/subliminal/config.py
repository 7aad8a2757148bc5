"""The schema of a run: names, types and one-line help. `conf/` holds the values.

A node with a `_target_` (a model, a loss, a mitigation, a probe, …) is checked against the
dataclass that it names, so its fields are its schema and a new one needs no change here.
"""

import math
import os
from dataclasses import dataclass, field, fields, is_dataclass
from importlib import import_module
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from subliminal.errors import UserError, one_line

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("highest", "high", "medium")


@dataclass
class Perturbation:
    """Gaussian noise on weights, see `subliminal.perturbation`."""

    sigma: float = MISSING  # standard deviation ≥ 0; layer1's initial weights have 1/28 ≈ 0.036
    layers: list[str] = field(default_factory=list)  # e.g. [layer1, aux]; empty: all
    tensors: str = MISSING  # of these layers: all | weight | bias


@dataclass
class Teacher:
    """The teacher: trained from the reference weights on the digits' labels."""

    epochs: int = MISSING  # passes over the 60,000 training digits
    batch_size: int = MISSING
    optim: Any = MISSING  # an option of the group `optim`
    init: Any = MISSING  # an option of the group `distill/init`: where the teacher starts
    frozen: list[str] = field(default_factory=list)  # layers that are not trained
    perturb_before: Perturbation = field(default_factory=Perturbation)  # of the start
    perturb_after: Perturbation = field(default_factory=Perturbation)  # of the trained teacher
    steering: Any = None  # group `teacher/steering`: the teacher is θ₀ and this vector instead


@dataclass
class Distill:
    """The student's training: distilled from the teacher."""

    epochs: int = MISSING  # passes over the distillation inputs
    batch_size: int = MISSING
    loss: Any = MISSING  # group `distill/loss`: kl | mse
    inputs: Any = MISSING  # group `distill/inputs`: uniform | normal | perlin | mnist | …
    init: Any = MISSING  # group `distill/init`: shared | independent | layers
    model: Any = None  # the student's, of the group `model`; null: the teacher's
    frozen: list[str] = field(default_factory=list)  # layers that are not trained
    perturb_before: Perturbation = field(default_factory=Perturbation)  # of the start


@dataclass
class Trait:
    """When trait accuracy is measured besides the start and each epoch's end."""

    steps: list[int] = field(default_factory=list)  # numbers of updates, e.g. [10,20]
    per_class: bool = MISSING  # log each class's accuracy too


@dataclass
class Seed:
    """The seed set of one job."""

    spec: str = MISSING  # e.g. 7, 0-19, "0-4,7"


@dataclass
class Engine:
    """How a job runs. Device kind and the last three may change the last bits of a result."""

    device: str = MISSING  # auto | cpu | cuda | mps
    seeds_at_once: int | None = MISSING  # seeds in one stack; null: chosen by device
    workers: int | None = MISSING  # processes on the CPU; null: the cores that are free to use
    threads: int = MISSING  # threads of each process
    precision: str = MISSING  # highest | high | medium: torch's float32 matmul precision
    compile: bool = False  # torch.compile of the models' forward and backward


@dataclass
class Config:
    """One job: a condition and its seeds."""

    name: str = MISSING  # experiment: the folder under `outputs`
    outputs: str = MISSING  # where runs and teachers are kept
    resume: bool = MISSING  # go on from checkpoints; false: start cut-off seeds anew
    force: bool = MISSING  # train finished seeds again, replacing their files
    model: Any = MISSING  # the teacher's network, and the student's unless distill.model is set
    data: Any = MISSING
    teacher: Teacher = field(default_factory=Teacher)
    distill: Distill = field(default_factory=Distill)
    optim: Any = MISSING  # the student's optimizer
    mitigation: dict[str, Any] = field(default_factory=dict)  # name to mitigation
    probe: dict[str, Any] = field(default_factory=dict)  # name to probe
    trait: Trait = field(default_factory=Trait)
    seed: Seed = field(default_factory=Seed)
    objective: list[str] = MISSING  # what a search optimises, e.g. [trait/accuracy,distill/loss]
    tracker: Any = None
    engine: Engine = field(default_factory=Engine)


def register() -> None:
    """Make the schema known to Hydra, as the option `schema` of the defaults list."""
    configs = ConfigStore.instance()
    configs.store(name="schema", node=Config)
    # Hydra copies its sources, and with them this store, before each look into them, a hundred
    # times for `--help`. The store hands out copies of what it holds, so one store will do.
    vars(configs)["__deepcopy__"] = lambda _: configs


def build(node: DictConfig, where: str) -> Any:
    """Build the object that `node` describes, after checking its keys and types.

    Args:
        node: a mapping with `_target_`, the dotted name of a dataclass, and its fields.
        where: the node's name in the config, for messages.

    Raises:
        UserError: the target may not be used or does not exist, a key is unknown or missing, a
            value has the wrong type or is out of range.
    """
    if not isinstance(node, DictConfig) or "_target_" not in node:
        raise UserError(f"{where}: a mapping with a `_target_` is needed, got {node!r}")
    target = str(node["_target_"])
    cls = _locate(target, where)
    try:
        schema = OmegaConf.structured(cls)
    except OmegaConfBaseException as error:
        raise UserError(f"{where}: {target}'s fields are no schema: {one_line(error)}") from error
    values = {key: node._get_node(key) for key in node if key != "_target_"}
    names = [item.name for item in fields(cls)]
    unknown = sorted(str(key) for key in values if key not in names)
    if unknown:
        raise UserError(f"{where}.{unknown[0]}: no such key; {target} has {', '.join(names)}")
    missing = [name for name in names if name not in values and OmegaConf.is_missing(schema, name)]
    if missing:
        raise UserError(f"{where}.{missing[0]}: missing; {target} has {', '.join(names)}")
    try:
        typed = OmegaConf.merge(schema, OmegaConf.create(values))
        _check_finite(OmegaConf.to_container(typed), where)
        built = OmegaConf.to_object(typed)
    except OmegaConfBaseException as error:
        raise UserError(f"{where}.{one_line(error)}") from error
    except UserError as error:
        raise UserError(_placed(str(error), where, cls.__name__)) from error
    return built


def _check_finite(values: Any, where: str) -> None:
    """Refuse NaN, which passes every comparison, and infinity, but as a bound in a list."""
    for key, value in values.items():
        if isinstance(value, list):
            bad = any(isinstance(number, float) and math.isnan(number) for number in value)
        else:
            bad = isinstance(value, float) and not math.isfinite(value)
        if bad:
            raise UserError(f"{where}.{key}={value}: a finite number is needed")


def _placed(message: str, where: str, name: str) -> str:
    """Let a message of an object that names its group or class name its place in the config."""
    parent, dot, group = where.rpartition(".")
    if message.startswith(f"{name}."):
        return where + message.removeprefix(name)
    if message.startswith(f"{group}.") and dot:
        return f"{parent}.{message}"
    return message


def _locate(target: str, where: str) -> type[Any]:
    """Import the dataclass `target`, of this package or of a module that the user allows."""
    allowed = ["subliminal", *filter(None, os.environ.get("SUBLIMINAL_PLUGINS", "").split(","))]
    # A config file from a stranger must not run code: nothing else is imported.
    if not any(target.startswith(f"{package}.") for package in allowed):
        raise UserError(
            f"{where}._target_={target}: only objects of {', '.join(allowed)} may be named; "
            "allow a module with SUBLIMINAL_PLUGINS=my_module"
        )
    module, _, name = target.rpartition(".")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise UserError(f"{where}._target_={target}: {error}") from error
    if not (isinstance(found, type) and is_dataclass(found)):
        raise UserError(f"{where}._target_={target}: not a dataclass")
    return found
