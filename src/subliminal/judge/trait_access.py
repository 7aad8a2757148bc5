"""Track of a defence, found by a rehearsal that records what the defence reads.

*Blind*: it reads nothing of the trait. *Aware*: it reads trait digits, their labels or the trait
gradient.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from subliminal.data import Labelled
from subliminal.distill import Supervised
from subliminal.distill.inputs.uniform import Uniform
from subliminal.errors import UserError
from subliminal.judge.battery import Setting
from subliminal.state import Training
from subliminal.tensors import streams
from subliminal.training.job import Job
from subliminal.training.loop import fit
from subliminal.training.tasks import Classification, Distillation

TRACKS = ("blind", "aware")
BATCH = 2  # images a step of the rehearsal


def track_of(settings: Sequence[Setting], track: str | None = None) -> str:
    """Return the track in which a defence is judged.

    Args:
        settings: the battery, composed for the defence.
        track: the user's choice; None: the track that the defence needs.

    Raises:
        UserError: the defence reads more than the named track gives, or the track is unknown.
    """
    if track is not None and track not in TRACKS:
        raise UserError(f"track={track}: one of {', '.join(TRACKS)}")
    fits = [one.defended for one in settings if one.defended is not None]
    access = trait_access(fits[0]) if fits else ""
    if track == "blind" and access:
        raise UserError(f"track=blind: {access}, which that track does not give; use --track aware")
    return track or ("aware" if access else "blind")


def trait_access(job: Job) -> str:
    """Return the first access of a defence to the trait; empty: it is blind.

    The loss and targets declare theirs. Mitigations are rehearsed on the CPU with a few made-up
    images, for as many steps as the student's training has, with digits that record each access.
    """
    experiment, distill = job.experiment, job.cfg.distill
    if isinstance(experiment.loss, Supervised):
        return "distill.loss takes the digits' labels"
    if experiment.targets is not None and experiment.targets.needs_trait:
        return "distill.targets takes teachers of other traits"
    if experiment.targets is not None and experiment.targets.needs_gradient:
        return "distill.targets takes the trait gradient"
    if not experiment.mitigations:
        return ""
    network, teacher_network = experiment.network, experiment.teacher_network
    drawn = np.random.default_rng(0).integers(
        0, 256, (2 * network.classes, network.pixels), dtype=np.uint8
    )
    x, y = torch.from_numpy(drawn), torch.arange(2 * network.classes) % network.classes
    digits = Labelled(x, y, x, y)
    start, begin = (n.reference((0,), torch.device("cpu")) for n in (network, teacher_network))
    away = torch.from_numpy(streams.stream(0, streams.DISPLACED).normal(0, 0.01, begin.shape))
    teacher = begin + away.to(begin.dtype)
    steps = -(-experiment.inputs.size // distill.batch_size)
    inputs = Uniform(size=steps * BATCH, fresh=False)
    networks: dict[str, Any] = {"teacher": teacher, "teacher_network": teacher_network}
    networks["reference"] = start
    task = Distillation(network, experiment.loss, inputs, (0,), data=digits, **networks)
    accesses: list[str] = []
    training = Training(
        "student",
        (0,),
        network,
        task,
        **networks,
        trait=_WatchedTask(accesses, network, start, digits, order=streams.PROBE_ORDER),
        theta=start.clone(),
        epochs=distill.epochs,
        batch_size=BATCH,
        optim=experiment.optim,
        mitigations=experiment.mitigations,
        teacher_reference=begin,
        frozen=distill.frozen,
        data=_WatchedDigits(x, y, x, y, accesses=accesses),
    )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # batches are so small that threads only wait for each other
    try:
        fit(training)
    finally:
        torch.set_num_threads(threads)
    return accesses[0] if accesses else ""


class _WatchedTask(Classification):
    """The trait's task; it records each access to its digits and labels."""

    def __init__(self, accesses: list[str], *task: Any, **options: Any) -> None:
        super().__init__(*task, **options)
        self._accesses = accesses

    def images(self, rows: Tensor) -> Tensor:
        self._accesses.append("a mitigation takes the trait's digits")
        return super().images(rows)

    def loss(self, logits: Tensor, rows: Tensor) -> Tensor:
        self._accesses.append("a mitigation takes the trait's labels")
        return super().loss(logits, rows)


@dataclass(frozen=True, eq=False)
class _WatchedDigits(Labelled):
    """Digits that record each access to their images or labels."""

    accesses: list[str] = field(kw_only=True)

    def __getattribute__(self, name: str) -> Any:
        if name in ("train_x", "train_y", "test_x", "test_y"):
            self.accesses.append(f"a mitigation reads the data ({name})")
        return super().__getattribute__(name)
