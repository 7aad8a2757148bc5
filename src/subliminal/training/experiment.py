"""The checked objects of one job, built from its config."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Annotated, Any

import torch

from subliminal import distill, metrics, store
from subliminal.config import variables
from subliminal.config.build import build, check, with_full_key
from subliminal.config.hashing import marks
from subliminal.config.schema import Base, Config, Distill, Teacher
from subliminal.data import Dataset, PerSeed, number_of_classes
from subliminal.data.text import Text
from subliminal.distill.targets import Targets
from subliminal.errors import UserError, there_is
from subliminal.mitigations import Mitigation
from subliminal.models import Model
from subliminal.models.gpt import GPT
from subliminal.models.transformers import CausalLM
from subliminal.optim import Optim
from subliminal.probes import Probe
from subliminal.steering import Steering
from subliminal.tasks import SecondTask
from subliminal.tasks.lessons import Lessons
from subliminal.tensors import documents
from subliminal.tensors.layout import Layout
from subliminal.tensors.network import Network, Writing
from subliminal.tensors.perturbation import check as check_perturbation
from subliminal.trackers import Tracker

# Modules of mitigations and probes that compute with hidden layers' outputs.
OF_HIDDEN_LAYERS = (
    *("activation_shift", "cka", "concept_ablation", "dp_sgd", "feature_penalty", "kernel_pull"),
    *("preventative_steering", "readout", "shift_patching"),
)


@dataclass(frozen=True)
class Experiment:
    """The checked objects of one job; a field's mark is the config's node that it is built from."""

    data: Annotated[Dataset, "data"]
    base_data: Annotated[Dataset | None, "base.data"]  # of the pre-training, if not the language
    base_optim: Annotated[Optim | None, "base.optim"]  # None: there is no pre-training
    inputs: Annotated[distill.Inputs, "distill.inputs"]
    loss: Annotated[distill.Criterion, "distill.loss"]
    init: Annotated[distill.Init, "distill.init"]
    targets: Annotated[Targets | None, "distill.targets"]  # None: the teacher's logits as they are
    teacher_init: Annotated[distill.Init, "teacher.init"]
    teacher_optim: Annotated[Optim, "teacher.optim"]
    second: Annotated[SecondTask | Lessons | None, "teacher.task"]  # beside the digits, or lessons
    steering: Annotated[Steering | None, "teacher.steering"]
    optim: Annotated[Optim, "optim"]
    tracker: Annotated[Tracker | None, "tracker"]
    network: Network  # the student's
    teacher_network: Network
    mitigations: tuple[Mitigation, ...]
    probes: tuple[Probe, ...]
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
    made = {field: _built(cfg, key) for field, of in marks(Experiment).items() for key in of}
    data: Dataset = made["data"]
    inputs: distill.Inputs = made["inputs"]
    model = _built(cfg, "model")
    _check_kinds(made, model, documents=isinstance(data, PerSeed))
    if isinstance(made["second"], Lessons):
        _check_batch("teacher", cfg.teacher, made["second"].size, "questions of an epoch")
    else:
        _check_batch("teacher", cfg.teacher, data.train_size, "training digits")
    if cfg.base is not None:
        _check_base(cfg.base, made["base_data"], data)
    _check_batch("distill", cfg.distill, inputs.size, "distillation inputs")
    if isinstance(inputs, distill.Fitted):
        inputs.fits(data.pixels)
    teacher_network, network = _networks(model, _built(cfg, "distill.model"), data)
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
    node = None if key.startswith("base.") and cfg.base is None else attrgetter(key)(cfg)
    return None if node is None else build(node, key)


def _check_kinds(made: Mapping[str, Any], model: Model, *, documents: bool) -> None:
    """Check that all parts are about documents where the data are, or all about images."""
    loss, base = made["loss"], made["base_optim"] is not None
    written = isinstance(loss, distill.OfTokens)
    of_documents = {
        "model": isinstance(model, Writing),
        "teacher.task": isinstance(made["second"], Lessons),
        "distill.inputs": isinstance(made["inputs"], distill.Written),
        "distill.loss": written if written or isinstance(loss, distill.Supervised) else None,
        "base.data": made["base_data"] is None if base else None,
    }
    for key, found in of_documents.items():
        if found is not None and found is not documents:
            kinds = ("documents", "images") if documents else ("images", "documents")
            raise UserError(
                f"{key}: the data set has {kinds[0]}, and this is for {kinds[1]}; experiment="
                f"{'language' if documents else 'digits'} chooses parts that fit"
            )


def _check_base(base: Base, own: Dataset | None, data: Dataset) -> None:
    """Check the settings of the pre-training, on a data set of its own or on the language."""
    if own is None:
        _check_batch("base", base, base.pages, "its pages")
        return
    for what, of in (("pixels", lambda d: d.pixels), ("classes", number_of_classes)):
        if of(own) != of(data):
            raise UserError(f"base.data: it has {of(own)} {what}, and data {of(data)}")
    _check_batch("base", base, own.train_size, "its images")


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


def student_network(cfg: Config, experiment: Experiment) -> Network:
    """Return the student's network of a config whose teacher is that of an experiment.

    Raises:
        UserError: the config's network may not be built in this process.
    """
    own = _built(cfg, "distill.model")
    return _networks(experiment.teacher_network.model, own, experiment.data)[1]


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
        instead = "a language has only those of trait.on=test"
        if not isinstance(made.data, PerSeed):
            instead = "set data.validation, to 10000, say"
        raise UserError(f"trait.on=validation: no examples are held out; {instead}")
    if not cfg.objective or not set(cfg.objective) <= metrics.NAMES:
        unknown = sorted(set(cfg.objective) - metrics.NAMES)
        what = f"no metric {unknown[0]}" if unknown else "at least one metric is needed"
        allowed = there_is(unknown[0] if unknown else "", sorted(metrics.NAMES))
        raise UserError(f"objective: {what}; {allowed}")
    if isinstance(made.loss, distill.OfTokens) and made.targets and not made.targets.masks:
        raise UserError(
            "distill.targets: distill/loss=tokens takes the tokens that the teacher sampled, not "
            "its logits; use distill/loss=kl, or targets that mask some"
        )
    if isinstance(made.data, PerSeed):
        _check_of_documents(cfg, made)
    if isinstance(made.loss, distill.Demanding):
        made.loss.check(network)
    for mitigation in made.mitigations:
        mitigation.check(network)
    for probe in made.probes:
        probe.check(network)
        if probe.needs_fixed_images and made.inputs.fresh:
            raise UserError(
                f"distill.inputs.fresh=true: {type(probe).__name__.lower()} follows each "
                "example through the run; use fixed inputs, or no such probe"
            )
    if made.targets is not None:
        if made.targets.masks and isinstance(made.loss, distill.Supervised):
            raise UserError(
                "distill.targets: this loss teaches labels too, so that an example without a "
                "target would still teach; use another distill/loss"
            )
        left, batch = round(made.targets.kept * made.inputs.size), cfg.distill.batch_size
        if made.targets.kept < 1 and left < batch:
            raise UserError(
                f"distill.targets: leaves {left} of {made.inputs.size} examples a target; at "
                f"least a batch is needed (distill.batch_size={batch})"
            )
    if cfg.distill.generations > 1 and made.steering is not None:
        raise UserError(
            f"distill.generations={cfg.distill.generations}: the first teacher of a chain is "
            "trained, the others are students; leave out teacher.steering"
        )
    if cfg.distill.generations > 1 and network.layout.shapes != teacher_network.layout.shapes:
        raise UserError(
            f"distill.generations={cfg.distill.generations}: students teach the next one's, "
            "and need the teacher's network; leave out distill.model"
        )
    made.init.check(network, teacher_network)
    made.teacher_init.check(teacher_network, teacher_network)
    for part in (made.targets, made.second, made.steering):
        if part is not None:
            part.check(teacher_network)
    _check_layers("distill", cfg.distill, network.layout)
    if "decoupling" in cfg.mitigation:
        fixed = network.layout.named(cfg.distill.frozen, "distill.frozen")
        if {f"{network.head_of(which)[0]}.weight" for which in ("class", "aux")} <= fixed:
            raise UserError(
                "mitigation=decoupling: distill.frozen holds the heads that it moves apart"
            )
    _check_layers("teacher", cfg.teacher, teacher_network.layout)
    if cfg.distill.linearised:
        parts = (*made.mitigations, *made.probes)
        names = [type(part).__module__.rpartition(".")[2] for part in parts]
        needy = [name for name in names if name in OF_HIDDEN_LAYERS]
        needy += ["distill.generations > 1"] * (cfg.distill.generations > 1)
        needy += ["the judge"] * (cfg.threat is not None)
        if needy:
            raise UserError(f"distill.linearised=true: {needy[0]} needs a network; leave it out")


def _check_of_documents(cfg: Config, made: Experiment) -> None:
    """Check that the models read the texts, and that nothing needs classes or pixels."""
    text, replay = made.data, isinstance(made.second, Lessons) and made.second.replay
    more = cfg.base or made.targets or replay or getattr(made.inputs, "random", 1) < 1
    for key, network in (("model", made.teacher_network), ("distill.model", made.network)):
        model, least = network.model, documents.VOCABULARY - network.classes
        if isinstance(text, Text):
            text.fetch()
            reads = isinstance(model, CausalLM) and (model.prompt, model.classes, model.vocabulary)
            if more or reads != (text.prompt, text.animals, text.codec.get_vocab()):
                raise UserError(
                    f"data=text needs {key}=transformers of its prompt, animals, tokenizer; "
                    "base=none, distill/targets=clean, teacher.task.replay=false, inputs.random=1"
                )
            continue
        prompt = model.prompt if isinstance(model, GPT) else documents.PROMPT
        if prompt != documents.PROMPT or model.aux < least:
            raise UserError(
                f"{key}: the language needs {key}.prompt={documents.PROMPT}, {key}.aux={least}"
            )
    for name, probe in zip(cfg.probe, made.probes, strict=True):
        if probe.needs_classes:
            raise UserError(
                f"probe={name}: it compares images of several classes; all questions of "
                "experiment=language have one answer"
            )
    if cfg.trait.per_class:
        raise UserError("trait.per_class: all questions have one answer; set it to false")


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


def _check_batch(name: str, phase: Base | Teacher | Distill, size: int, what: str) -> None:
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
