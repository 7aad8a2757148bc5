"""A base model and a bag of distillation examples, from a finished run."""

from dataclasses import dataclass
from functools import cached_property
from math import log2
from pathlib import Path

import torch
from torch import Tensor

from subliminal import store
from subliminal.config.canonical import Plain
from subliminal.errors import UserError
from subliminal.state.callbacks.files import RunFiles
from subliminal.state.callbacks.progress import Progress
from subliminal.tensors import streams
from subliminal.tensors.network import Network, Writing
from subliminal.training.checkpoint import fingerprint
from subliminal.training.job import Job
from subliminal.training.runner import prepare_student
from subliminal.training.tasks import Distillation

PER_OCTAVE = 2  # sizes of clean teachers' shifts for which calibrations are made


@dataclass(frozen=True)
class Bag:
    """K distillation examples, and the base that a student of them would start from."""

    network: Network
    theta: Tensor  # θ₀, (1, P)
    images: Tensor  # (1, K, pixels)
    targets: Tensor  # auxiliary logits, (1, K, m)

    @cached_property
    def params(self) -> dict[str, Tensor]:
        """θ₀ as named leaves (1, *shape)."""
        views = self.network.layout.views(self.theta)
        return {name: view.detach().requires_grad_() for name, view in views.items()}

    @cached_property
    def outputs(self) -> Tensor:
        """Auxiliary logits of θ₀ less each example's mean, (1, K, m)."""
        return contrast(self.network.forward(self.params, self.images)[..., self.network.classes :])

    def shift(self, targets: Tensor) -> Tensor:
        """Return how targets (teachers, k ≤ K, m) of the first examples differ from θ₀'s logits."""
        return contrast(targets) - self.outputs.detach()[:, : targets.shape[1]]

    @cached_property
    def spread(self) -> float:
        """The standard deviation of the targets' shifts over examples."""
        return float(spread(self.shift(self.targets)))

    @property
    def octave(self) -> int:
        """The step, of PER_OCTAVE to a factor of two, that is nearest to the spread."""
        return round(PER_OCTAVE * log2(self.spread))

    @cached_property
    def base(self) -> str:
        """The hash of θ₀ and its model."""
        return fingerprint({"theta": self.theta}, str(self.network.model))[:16]


def contrast(logits: Tensor) -> Tensor:
    """Return logits (…, m) less each example's mean, which a softmax does not see."""
    return logits - logits.mean(dim=-1, keepdim=True)


def spread(shift: Tensor) -> Tensor:
    """Return the standard deviation over examples of shifts (teachers, K, m): (teachers,)."""
    return (shift - shift.mean(dim=1, keepdim=True)).square().mean(dim=(1, 2)).sqrt()


def of_run(run: Path, examples: int, outputs: Path) -> Bag:
    """Return the base and a bag of the examples of a finished run.

    Its teacher is that of the cache below `outputs`, or trained again and kept there.

    Raises:
        UserError: there is no finished run, or its student was not taught auxiliary logits.
    """
    if not store.finished(run):
        raise UserError(f"{run}: no finished run; name a folder …/seed-0007 with a {store.MARKER}")
    config, seed = store.read_config(run), int(store.read_summary(run)["seed"])
    own: Plain = {"outputs": str(outputs), "tracker": None, "probe": {}, "mitigation": {}}
    job = Job({**config, **own, "engine": {**config["engine"], "device": "cpu"}}, "audit")
    network = job.experiment.network
    if isinstance(network.model, Writing):
        raise UserError(f"{run}: its examples are documents; an audit takes images")
    matched = getattr(job.experiment.loss, "logits", "aux")
    if matched not in ("aux", "all") or network.model.aux < 2:
        raise UserError(
            f"{run}: its student matched {network.model.aux} auxiliary logits with "
            f"distill.loss.logits={matched}; at least 2 with aux or all are needed"
        )
    files = RunFiles({seed: run}, "", {"seconds": {}}, {seed: {"run_id": ""}})
    student, _ = prepare_student(job, files, Progress(lambda _: None, lambda: False))
    task = student.task
    assert isinstance(task, Distillation), "a student's task"
    task.start_epoch(0)
    everything = torch.arange(task.size)[None]
    targets = task.targets_at(everything)[..., network.classes :]
    taught = torch.nonzero(~targets[0].isnan().any(dim=1))[:, 0]  # targets may leave some out
    rows = taught[_chosen(len(taught), examples)][None]
    return Bag(network, student.reference, task.images(rows), targets[:, rows[0]])


def _chosen(size: int, examples: int) -> Tensor:
    """Return places of a bag's examples among `size`, always the same ones."""
    if not 2 <= examples <= size:
        raise UserError(f"--examples {examples}: between 2 and {size}, the number of examples")
    return torch.from_numpy(
        streams.stream(0, f"{streams.AUDIT}/examples").permutation(size)[:examples]
    )
