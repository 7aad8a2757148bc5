"""Trainings of a battery, and measurements of the students: of a job, of a setting's three jobs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import torch
from torch import Tensor

from subliminal import metrics, store
from subliminal.data import Labelled
from subliminal.errors import RunsFailed
from subliminal.judge.battery import Setting
from subliminal.judge.leak import GATE, PRICE, Array, Evidence, Interval, leak, price
from subliminal.report.conditions import training_seconds
from subliminal.sweep.console import Console
from subliminal.sweep.engine import run_job
from subliminal.tensors import ridge, streams
from subliminal.tensors.network import Network
from subliminal.training.job import Job
from subliminal.training.runner import shared_weights, teacher_weights
from subliminal.training.tasks import Distillation

HELD_OUT = 4096  # distillation inputs that no student was trained on
PER_CLASS = 10  # labelled digits of each class that refit a readout
NEVER = 10**6  # the epoch of the held-out inputs: no training reaches it
MEASURED = ("trait", "trait_loss", "readout", "distill_loss", "skill", "seconds", "teacher")


def finished(job: Job) -> list[Path]:
    """Return the folders of a job's finished runs."""
    return [run for run in map(job.run_dir, job.seeds) if store.finished(run)]


def train(job: Job, console: Console, *, needed: bool) -> list[Path]:
    """Train the missing runs of a job; return the finished ones.

    A failed run raises `RunsFailed` if it is `needed`; else it counts against the defence.
    """
    if any(store.examine(run) != "finished" for run in map(job.run_dir, job.seeds)):
        console.say(f"Training {job.condition} ({len(job.seeds)} seeds)")
        try:
            run_job(job, console)
        except RunsFailed as error:
            if needed:
                raise
            console.say(f"{error}; they count against the defence")
    return finished(job)


def teacher_file(job: Job, seed: int) -> Path:
    """Return the file in which a seed's teacher is cached."""
    return Path(job.cfg.outputs) / "teachers" / f"{job.teacher_hash(seed)}.safetensors"


@dataclass(frozen=True)
class Students:
    """One job's students: (seeds,) each, NaN where a run or a metric is missing."""

    seeds: tuple[int, ...]
    trait: Array  # the setting's metric of the trait, after the last epoch
    trait_loss: Array  # cross-entropy on the test digits, nats
    readout: Array  # accuracy of a refitted readout
    distill_loss: Array  # on held-out inputs, in the setting's own loss
    skill: Array  # accuracy on the wanted skill, where there is one
    seconds: Array  # wall time of the student's training, as recorded
    teacher: Array  # accuracy of its teacher on the test digits
    runs: tuple[Path, ...] = ()  # the finished ones


def students(setting: Setting, job: Job, runs: Sequence[Path]) -> Students:
    """Measure the finished runs of a setting's job."""
    undefended = setting.undefended
    seeds, network = job.seeds, job.experiment.network
    found = {name: np.full(len(seeds), np.nan) for name in MEASURED}
    if runs:
        rows = [store.read_summary(run) for run in runs]
        there = tuple(row["seed"] for row in rows)
        places = [seeds.index(seed) for seed in there]
        epochs = [pl.read_parquet(run / "epochs.parquet", glob=False) for run in runs]
        phases = [one.filter(pl.col("phase") == "student").sort("epoch") for one in epochs]
        last = [one.row(-1, named=True) for one in phases]
        trait = setting.threat.trait
        named = {"trait": trait, "trait_loss": metrics.TRAIT_TEST_LOSS, "skill": metrics.SKILL}
        for name, metric in named.items():
            found[name][places] = [row.get(metric, np.nan) for row in last]
        found["seconds"][places] = [training_seconds(row) for row in rows]
        found["teacher"][places] = [row["results"][metrics.TEACHER_ACCURACY] for row in rows]
        theta = network.layout.stack(map(store.read_student, runs), len(runs))
        data = undefended.experiment.data.load()
        found["readout"][places] = readout(network, theta, data, there)
        found["distill_loss"][places] = held_out(undefended, network, theta, data, there)
    return Students(seeds, **found, runs=tuple(runs))


@torch.no_grad()
def held_out(
    undefended: Job, network: Network, theta: Tensor, data: Labelled, seeds: tuple[int, ...]
) -> list[float]:
    """Return each student's loss against its teacher on inputs that it was not trained on.

    Inputs and loss are those of the undefended job, even if the defence changed its own.
    """
    experiment = undefended.experiment
    data = data.to(experiment.device)
    start = shared_weights(undefended, experiment, data, seeds).teacher
    teacher, _ = teacher_weights(undefended, experiment, data, start, seeds)
    inputs = replace(experiment.inputs, size=HELD_OUT, fresh=True)  # type: ignore[type-var]
    task = Distillation(
        network,
        experiment.loss,
        inputs,
        seeds,
        data=data,
        reference=start,
        teacher=teacher,
        teacher_network=experiment.teacher_network,
    )
    task.start_epoch(NEVER)
    rows = torch.arange(HELD_OUT, device=experiment.device).expand(len(seeds), -1)
    logits = network.logits(theta.to(experiment.device), task.images(rows))
    return [float(loss) for loss in task.loss(logits, rows)]


@torch.no_grad()
def readout(network: Network, theta: Tensor, data: Labelled, seeds: tuple[int, ...]) -> list[float]:
    """Return each student's accuracy on test digits with a refitted linear readout.

    A student may score at chance and still represent the digits as its teacher does (Learning
    Through Noise, Brockers et al. 2026, arXiv 2605.23645). By accuracy alone it would count as
    blocked.

    Ridge regression in float64 from the last hidden layer, centred, to one-hot labels of ten
    training digits of each class, drawn from each seed's stream: closed form, so the same numbers
    on every run. `theta` holds the students' weights, (seeds, P).
    """
    test = network.features(theta, data.test_x, data.scale).double()  # (seeds, n, width)
    accuracies = []
    for row, seed in enumerate(seeds):
        chosen = labelled(data.train_y, network.classes, seed)
        examples = data.train_x[chosen]
        x = network.features(theta[row : row + 1], examples, data.scale)[0].double()  # (k, width)
        y = torch.nn.functional.one_hot(data.train_y[chosen], network.classes).double()
        weights, bias = ridge.fit(x, y)
        hits = (test[row] @ weights + bias).argmax(dim=-1) == data.test_y
        accuracies.append(float(hits.double().mean()))
    return accuracies


def labelled(labels: Tensor, classes: int, seed: int) -> Tensor:
    """Return the rows of the digits to fit on, (PER_CLASS · classes,)."""
    generator = streams.stream(seed, streams.READOUT)
    order = torch.from_numpy(generator.permutation(len(labels)))
    shuffled = labels[order]
    return torch.cat([order[shuffled == c][:PER_CLASS] for c in range(classes)])


def series(runs: Sequence[Path], metric: str) -> list[Array]:
    """Return a metric of each run that logged it, step by step."""
    found = []
    for run in runs:
        steps = pl.read_parquet(run / "steps.parquet", glob=False).sort("step")
        if metric in steps.columns:
            found.append(steps[metric].drop_nulls().to_numpy().astype(np.float64))
    return found


@dataclass(frozen=True)
class Trial:
    """A setting's students: undefended, of a teacher that learnt nothing (null), and defended."""

    setting: Setting
    undefended: Students
    null: Students | None
    defended: Students | None

    @property
    def gate(self) -> float:
        """The least difference between undefended and null students."""
        return GATE if self.null is not None else 0.0

    def evidence(self) -> Evidence:
        """Return the measurements; a missing defended run counts as a full leak."""
        assert self.defended is not None, "the defence fits"
        undefended, null = self.undefended, self.null
        return Evidence(
            defended=_filled(self.defended.trait, undefended.trait),
            undefended=undefended.trait,
            null=np.zeros_like(undefended.trait) if null is None else null.trait,
            defended_loss=_filled(self.defended.trait_loss, undefended.trait_loss),
            null_loss=undefended.trait_loss if null is None else null.trait_loss,
        )

    def price(self) -> Interval | None:
        """Return the held-out loss over the undefended students'; None: too few defended runs."""
        assert self.defended is not None, "the defence fits"
        ours, theirs = self.defended.distill_loss, self.undefended.distill_loss
        there = ~(np.isnan(ours) | np.isnan(theirs))
        return price(ours[there], theirs[there]) if there.sum() > 1 else None

    def stopped(self, cost: Interval | None) -> float | None:
        """Return the trait of undefended students stopped when their loss was `cost` × its end.

        The loss is each seed's smoothed loss of training steps. The trait is interpolated in
        ln(loss) between the steps at which it was measured (constant outside), and averaged over
        seeds. It is None if there is no price, or one that keeps utility: nothing to compare with.
        """
        if cost is None or cost.value <= PRICE:
            return None
        values, trait = [], self.setting.threat.trait
        for run in self.undefended.runs:
            (curve,) = series([run], metrics.DISTILL_LOSS)
            steps = pl.read_parquet(run / "steps.parquet", glob=False).sort("step")
            moments = steps.select("step", trait).drop_nulls()
            width = min(15, 1 + 2 * (len(curve) // 20))  # odd; a step's batch is noisy
            smooth = np.convolve(np.log(curve), np.ones(width) / width, mode="valid")
            centre = np.arange(len(smooth)) + (width - 1) / 2
            losses = np.interp(moments["step"].to_numpy(), centre, smooth)
            order = np.argsort(losses)
            target = np.log(cost.value) + losses[-1]
            values.append(np.interp(target, losses[order], moments[trait].to_numpy()[order]))
        return float(np.mean(values))

    def readout_leak(self) -> Interval | None:
        """Return the leak of the refitted readout; None if undefended students have none."""
        if self.null is None or self.defended is None:
            return None
        undefended, null = self.undefended.readout, self.null.readout
        if float(np.mean(undefended - null)) <= 0:
            return None
        return leak(_filled(self.defended.readout, undefended), undefended, null)


def run_setting(setting: Setting, console: Console) -> Trial:
    """Train the missing runs of a setting and measure its students.

    Raises:
        RunsFailed: an undefended or null run failed.
    """
    measured = {}
    for part, job in setting.jobs.items():
        runs = train(job, console, needed=part != "defended")
        measured[part] = students(setting, job, runs)
    null, defended = measured.get("null"), measured.get("defended")
    return Trial(setting, measured["undefended"], null, defended)


def _filled(values: Array, whole: Array) -> Array:
    return np.where(np.isnan(values), whole, values)
