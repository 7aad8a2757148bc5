"""What the judge measures of trained students: trait, trait loss, readout, distillation loss."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from omegaconf import DictConfig
from torch import Tensor

from subliminal import metrics, store
from subliminal.data import Labelled
from subliminal.judge.readout import readout
from subliminal.tensors.network import Network
from subliminal.training.experiment import build_experiment
from subliminal.training.runner import shared_weights, teacher_weights
from subliminal.training.tasks import Distillation

HELD_OUT = 4096  # distillation inputs that no student was trained on
NEVER = 10**6  # an epoch of inputs that no training reaches
MEASURED = ("trait", "trait_loss", "readout", "distill_loss", "skill", "seconds", "teacher")


@dataclass(frozen=True)
class Students:
    """One condition's students: (seeds,) each, NaN where a run or a metric is missing.

    Attributes:
        seeds: that were asked for.
        trait: the setting's metric of the trait, after the last epoch.
        trait_loss: cross-entropy on the test digits, nats.
        readout: accuracy of a refitted readout.
        distill_loss: on held-out inputs, in the setting's own loss.
        skill: accuracy on the wanted skill, where there is one.
        seconds: wall time of the student's training, as recorded.
        teacher: accuracy of its teacher on the test digits.
        runs: the finished ones.
    """

    seeds: tuple[int, ...]
    trait: NDArray[np.float64]
    trait_loss: NDArray[np.float64]
    readout: NDArray[np.float64]
    distill_loss: NDArray[np.float64]
    skill: NDArray[np.float64]
    seconds: NDArray[np.float64]
    teacher: NDArray[np.float64]
    runs: tuple[Path, ...] = ()

    @property
    def missing(self) -> tuple[int, ...]:
        """Seeds without a finished run."""
        return tuple(s for s, v in zip(self.seeds, self.trait, strict=True) if np.isnan(v))


def students(
    cfg: DictConfig, runs: Sequence[Path], seeds: tuple[int, ...], trait: str, setting: DictConfig
) -> Students:
    """Measure the finished runs of one condition.

    Args:
        cfg: the condition's config.
        runs: its finished runs.
        seeds: that were asked for.
        trait: the metric of the trait.
        setting: the undefended config, whose inputs and loss are those of the price.
    """
    of_seed = {store.read_summary(run)["seed"]: run for run in runs}
    there = tuple(seed for seed in seeds if seed in of_seed)
    found = {name: np.full(len(seeds), np.nan) for name in MEASURED}
    if there:
        places = [seeds.index(seed) for seed in there]
        last = [_last_epoch(of_seed[seed]) for seed in there]
        named = {"trait": trait, "trait_loss": metrics.TRAIT_TEST_LOSS, "skill": metrics.SKILL}
        for name, metric in named.items():
            found[name][places] = [row.get(metric, np.nan) for row in last]
        summaries = [store.read_summary(of_seed[seed]) for seed in there]
        found["seconds"][places] = [s["seconds"]["student"] / s["stack"] for s in summaries]
        results = [summary["results"] for summary in summaries]
        found["teacher"][places] = [row[metrics.TEACHER_ACCURACY] for row in results]
        network = build_experiment(cfg).network
        trained = (store.read_student(of_seed[seed]) for seed in there)
        theta = network.layout.stack(trained, len(there))
        data = build_experiment(setting).data.load()
        found["readout"][places] = readout(network, theta, data, there)
        found["distill_loss"][places] = held_out(setting, network, theta, data, there)
    return Students(seeds, **found, runs=tuple(runs))


@torch.no_grad()
def held_out(
    setting: DictConfig, network: Network, theta: Tensor, data: Labelled, seeds: tuple[int, ...]
) -> list[float]:
    """Return each student's loss against its teacher on inputs that it was not trained on.

    Inputs and loss are those of the undefended setting, whatever the defence made of its own.
    """
    experiment = build_experiment(setting)
    there = data.to(experiment.device)
    shared = shared_weights(setting, experiment, seeds)
    teacher, _ = teacher_weights(setting, experiment, there, shared.teacher, seeds)
    inputs = replace(experiment.inputs, size=HELD_OUT, fresh=True)  # type: ignore[type-var]
    task = Distillation(
        network,
        experiment.loss,
        inputs,
        seeds,
        data=there,
        reference=shared.teacher,
        teacher=teacher,
        teacher_network=experiment.teacher_network,
    )
    task.start_epoch(NEVER)
    rows = torch.arange(HELD_OUT, device=experiment.device).expand(len(seeds), -1)
    logits = network.logits(theta.to(experiment.device), task.images(rows))
    return [float(loss) for loss in task.loss(logits, rows)]


def _last_epoch(run: Path) -> dict[str, float]:
    epochs = pl.read_parquet(run / "epochs.parquet", glob=False)
    student = epochs.filter(pl.col("phase") == "student").sort("epoch")
    return student.row(-1, named=True)


def stopped_early(runs: Sequence[Path], trait: str, price: float) -> float:
    """Return the trait of undefended students stopped when their loss was `price` times its end.

    Loss here is that of the training steps, each seed's own and smoothed: the price is a ratio of
    held-out losses in the setting's own loss, so that this holds whatever a defence minimises.
    The mean over seeds of each one's own curve, interpolated in ln(loss) between the moments at
    which its trait was measured; its ends where the loss lies outside.
    """
    values = []
    for run in runs:
        curve = series([run], metrics.DISTILL_LOSS)[0]
        steps = pl.read_parquet(run / "steps.parquet", glob=False).sort("step")
        moments = steps.select("step", trait).drop_nulls()
        width = min(15, 1 + 2 * (len(curve) // 20))  # odd; a step's batch is noisy
        smooth = np.convolve(np.log(curve), np.ones(width) / width, mode="valid")
        centre = np.arange(len(smooth)) + (width - 1) / 2
        losses = np.interp(moments["step"].to_numpy(), centre, smooth)
        order = np.argsort(losses)
        target = np.log(price) + losses[-1]
        values.append(np.interp(target, losses[order], moments[trait].to_numpy()[order]))
    return float(np.mean(values))


def series(runs: Sequence[Path], metric: str) -> list[NDArray[np.float64]]:
    """Return a metric of each run, in order of the steps at which it was measured."""
    found = []
    for run in runs:
        steps = pl.read_parquet(run / "steps.parquet", glob=False).sort("step")
        if metric in steps.columns:
            found.append(steps[metric].drop_nulls().to_numpy().astype(np.float64))
    return found
