"""The schema of a config: names, types and one-line help. `conf/` holds the values.

A node with a `_target_` (a model, a loss, a mitigation, a probe, …) is checked against the
dataclass that it names, so a new one needs no change here.
"""

from dataclasses import dataclass, field
from typing import Annotated, Any

from annotated_types import Ge, Interval
from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

from subliminal.config.hashing import AlwaysHashed, Count, NotHashed, OneOf, Unordered
from subliminal.config.seeds import SEED_LIMIT

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("highest", "high", "medium")
MEASURED_ON = ("test", "validation")
LISTS = ("mitigation", "probe")  # groups of which a job takes several options

_Layers = AlwaysHashed[Unordered[list[str]]]
_AtLeastOne = Annotated[int | None, Ge(1)]
_Pinned = Annotated[int | None, Interval(ge=0, lt=SEED_LIMIT)]


@dataclass
class Perturbation:
    """Gaussian noise on weights, see `subliminal.tensors.perturbation`."""

    sigma: float = MISSING  # standard deviation ≥ 0; layer1's initial weights have 1/28 ≈ 0.036
    layers: _Layers = field(default_factory=list)  # e.g. [layer1, aux]; empty: all
    tensors: str = MISSING  # of these layers: all | weight | bias


@dataclass
class Base:
    """The pre-training of θ₀, which teacher and student share."""

    epochs: Count = MISSING
    batch_size: Count = MISSING
    optim: Any = MISSING  # an option of the group `optim`
    data: Any = None  # group `data`: what is learnt, if not the pages of the language
    pages: Count = 2400  # of the language, per epoch
    shorts: Count = 2  # short documents on each page


@dataclass
class Teacher:
    """The teacher: trained from the reference weights on the digits' labels."""

    epochs: Count = MISSING  # passes over the 60,000 training digits
    batch_size: Count = MISSING
    optim: Any = MISSING  # an option of the group `optim`
    init: Any = MISSING  # an option of the group `distill/init`: where the teacher starts
    frozen: _Layers = field(default_factory=list)  # layers that are not trained
    perturb_before: AlwaysHashed[Perturbation] = field(default_factory=Perturbation)  # of the start
    perturb_after: AlwaysHashed[Perturbation] = field(default_factory=Perturbation)  # of the end
    task: Any = None  # group `teacher/task`: a second task, of the auxiliary logits
    steering: Any = None  # group `teacher/steering`: the teacher is θ₀ and this vector instead


@dataclass
class Distill:
    """The student's training: distilled from the teacher."""

    epochs: Count = MISSING  # passes over the distillation inputs
    batch_size: Count = MISSING
    loss: Any = MISSING  # group `distill/loss`: kl | mse
    inputs: Any = MISSING  # group `distill/inputs`: uniform | normal | perlin | mnist | …
    init: Any = MISSING  # group `distill/init`: shared | independent | layers | …
    targets: Any = None  # group `distill/targets`: of the teacher's logits; null: all as they are
    model: AlwaysHashed[Any] = None  # the student's, of the group `model`; null: the teacher's
    linearised: bool = False  # the student is its network's first-order expansion around its start
    frozen: _Layers = field(default_factory=list)  # layers that are not trained
    perturb_before: AlwaysHashed[Perturbation] = field(default_factory=Perturbation)  # of the start
    generations: NotHashed[Count] = 1  # of a chain: students teach the next one's


@dataclass
class Trait:
    """When trait accuracy is measured besides the start and each epoch's end."""

    steps: AlwaysHashed[Unordered[list[int]]] = field(default_factory=list)  # updates, e.g. [10,20]
    per_class: bool = MISSING  # log each class's accuracy too
    # Images: test | validation, those that data.validation holds out.
    on: Annotated[str, OneOf(MEASURED_ON)] = "test"


@dataclass
class Seed:
    """The seed set of one job."""

    spec: str = MISSING  # e.g. 7, 0-19, "0-4,7"


@dataclass
class Pin:
    """Seeds of single streams, the same for all seeds of the job; null: each seed's own."""

    init: _Pinned = None  # initial weights, of teacher and student
    teacher_order: _Pinned = None  # of the digits, epoch by epoch
    inputs: _Pinned = None  # distillation images
    student_order: _Pinned = None  # of the distillation images


@dataclass
class Engine:
    """How a job runs. The kind of device, threads and precision may change a result's last bits."""

    device: NotHashed[Annotated[str, OneOf(DEVICES)]] = MISSING  # auto | cpu | cuda | mps
    seeds_at_once: NotHashed[_AtLeastOne] = MISSING  # seeds in one stack; null: chosen by device
    workers: NotHashed[_AtLeastOne] = MISSING  # processes on the CPU; null: one for each free core
    threads: Count = MISSING  # threads of each process
    # Of float32 products: highest | high | medium; CUDA: TF32 at both.
    precision: Annotated[str, OneOf(PRECISIONS)] = MISSING


@dataclass
class Threat:
    """A setting in which the judge tries a defence; the rest of its file says what it changes."""

    name: str = MISSING
    order: int = MISSING  # of the battery: what tells most for its time comes first
    asks: str = MISSING  # what the setting is there to find out, in a few words
    trait: str = "trait/accuracy"  # metric of the trait
    control: bool = False  # nothing leaks here to begin with
    attack: bool = False  # counts if it leaks what the reference does, at its teacher's accuracy
    menu: dict[str, list[str]] = field(default_factory=dict)  # to search: names and overrides


@dataclass
class Config:
    """One job: a condition and its seeds."""

    name: NotHashed[str] = MISSING  # experiment: the folder under `outputs`
    outputs: NotHashed[str] = MISSING  # where runs and teachers are kept
    resume: NotHashed[bool] = MISSING  # from checkpoints; false: start interrupted seeds anew
    force: NotHashed[bool] = MISSING  # train finished seeds again, replacing their files
    model: Any = MISSING  # the teacher's network, and the student's unless distill.model is set
    data: Any = MISSING
    base: Base | None = None  # group `base`: pre-training of θ₀; null: θ₀ is drawn
    teacher: Teacher = field(default_factory=Teacher)
    distill: Distill = field(default_factory=Distill)
    optim: Any = MISSING  # the student's optimizer
    mitigation: AlwaysHashed[dict[str, Any]] = field(default_factory=dict)  # name to mitigation
    probe: AlwaysHashed[dict[str, Any]] = field(default_factory=dict)  # name to probe
    trait: Trait = field(default_factory=Trait)
    seed: NotHashed[Seed] = field(default_factory=Seed)
    pin: Pin = field(default_factory=Pin)  # streams that do not vary with the seed
    objective: NotHashed[list[str]] = MISSING  # of a search, e.g. [trait/accuracy,distill/loss]
    tracker: NotHashed[Any] = None
    preset: NotHashed[str | None] = None  # group `preset`: quick | paper
    threat: NotHashed[Threat | None] = None  # group `threat`: a setting of the judge's battery
    engine: Engine = field(default_factory=Engine)


def register() -> None:
    """Register the schema with Hydra, as the option `schema` of the defaults list."""
    configs = ConfigStore.instance()
    configs.store(name="schema", node=Config)
    # Hydra copies its sources, and this store with them, before each access: a hundred times for
    # `--help`. The store returns copies of its configs, so the store itself need not be copied.
    vars(configs)["__deepcopy__"] = lambda _: configs
