"""In which track a defence is judged: by what it asks for, not by what it says.

*Blind*: it knows nothing of the trait. *Aware*: it took trait digits, their labels or the trait
gradient.
"""

from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig
from torch import Tensor

from subliminal.config.build import build
from subliminal.data import Labelled
from subliminal.distill import Supervised
from subliminal.distill.inputs.uniform import Uniform
from subliminal.errors import UserError
from subliminal.mitigations import Mitigation
from subliminal.state import Training
from subliminal.tensors import streams
from subliminal.training.experiment import build_experiment
from subliminal.training.loop import fit
from subliminal.training.tasks import Classification, Distillation

TRACKS = ("blind", "aware")
BATCH = 2  # images a step of the rehearsal
CPU = torch.device("cpu")


def wants_probe(cfg: DictConfig) -> bool:
    """Tell whether a config's mitigations take the trait gradient from the alignment probe."""
    built: list[Mitigation] = [
        build(node, f"mitigation.{name}") for name, node in cfg.mitigation.items()
    ]
    return any(mitigation.needs_probe for mitigation in built)


def asks(cfg: DictConfig) -> str:
    """Return what of the trait a defence takes; empty: nothing, it is blind.

    Its loss is looked at, and its mitigations are rehearsed: on the CPU, on a few made-up images,
    for as many steps as the student's training has, with digits that note who looks at them.
    """
    experiment = build_experiment(cfg)
    if isinstance(experiment.loss, Supervised):
        return "distill.loss takes the digits' labels"
    if experiment.targets is not None and experiment.targets.needs_trait:
        return "distill.targets takes teachers of other traits"
    if not experiment.mitigations:
        return ""
    noted: list[str] = []
    made_up = _digits(experiment.network.pixels, experiment.network.classes)
    network, start = experiment.network, experiment.network.reference((0,), CPU)
    teacher_network = experiment.teacher_network
    begin = teacher_network.reference((0,), CPU)
    away = torch.from_numpy(streams.stream(0, streams.DISPLACED).normal(0, 0.01, begin.shape))
    steps = -(-experiment.inputs.size // cfg.distill.batch_size)
    task = Distillation(
        network,
        experiment.loss,
        Uniform(size=steps * BATCH, fresh=False),
        (0,),
        data=made_up,
        reference=start,
        teacher=begin + away.to(begin.dtype),
        teacher_network=teacher_network,
    )
    trait = _WatchedTask(Classification(network, start, made_up, order=streams.PROBE_ORDER), noted)
    training = Training(
        "student",
        (0,),
        network,
        task,
        trait=trait,
        reference=start,
        theta=start.clone(),
        epochs=cfg.distill.epochs,
        batch_size=BATCH,
        optim=experiment.optim,
        mitigations=experiment.mitigations,
        teacher=begin + away.to(begin.dtype),
        teacher_reference=begin,
        teacher_network=teacher_network,
        frozen=cfg.distill.frozen,
        data=_WatchedDigits(made_up, noted),
    )
    fit(training)
    return noted[0] if noted else ""


def check(track: str | None, asked: str) -> str:
    """Return the track of a defence that asked for this.

    Args:
        track: that the user named; None: whichever it is.
        asked: of `asks`.

    Raises:
        UserError: it takes more than the named track gives, or the track is unknown.
    """
    if track is not None and track not in TRACKS:
        raise UserError(f"track={track}: one of {', '.join(TRACKS)}")
    if track == "blind" and asked:
        raise UserError(f"track=blind: {asked}, which that track does not give; use --track aware")
    return track or ("aware" if asked else "blind")


class _WatchedTask:
    """The trait's digits, which note that a loss or images of them were asked for."""

    def __init__(self, task: Classification, noted: list[str]) -> None:
        self._task, self._noted = task, noted
        self.order, self.size = task.order, task.size

    def start_epoch(self, epoch: int) -> None:
        """Nothing to prepare."""

    def images(self, rows: Tensor) -> Tensor:
        self._noted.append("a mitigation takes the trait's digits")
        return self._task.images(rows)

    def loss(self, logits: Tensor, rows: Tensor) -> Tensor:
        self._noted.append("a mitigation takes the trait's labels")
        return self._task.loss(logits, rows)

    def reference_logits(self, rows: Tensor) -> Tensor:
        self._noted.append("a mitigation takes the trait's digits")
        return self._task.reference_logits(rows)


class _WatchedDigits(Labelled):
    """Digits that note that their images or labels were read."""

    def __init__(self, data: Labelled, noted: list[str]) -> None:
        super().__init__(data.train_x, data.train_y, data.test_x, data.test_y)
        object.__setattr__(self, "_noted", noted)

    def __getattribute__(self, name: str) -> Any:
        if name in ("train_x", "train_y", "test_x", "test_y"):
            noted = object.__getattribute__(self, "__dict__").get("_noted")
            if noted is not None:
                noted.append(f"a mitigation reads the data ({name})")
        return super().__getattribute__(name)


def _digits(pixels: int, classes: int) -> Labelled:
    drawn = np.random.default_rng(0).integers(0, 256, (2 * classes, pixels), dtype=np.uint8)
    x, y = torch.from_numpy(drawn), torch.arange(2 * classes) % classes
    return Labelled(x, y, x, y)
