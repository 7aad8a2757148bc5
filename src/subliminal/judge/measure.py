"""What the judge measures of trained students: trait, trait loss, readout, distillation loss."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from omegaconf import DictConfig
from safetensors.torch import load_file
from torch import Tensor

from subliminal import metrics, store
from subliminal.data import Labelled
from subliminal.judge.readout import readout
from subliminal.tensors import streams
from subliminal.tensors.network import Network
from subliminal.training.experiment import build_experiment
from subliminal.training.runner import shared_weights, teacher_weights

HELD_OUT = 4096  # distillation inputs that no student was trained on
MEASURED = ("trait", "trait_loss", "readout", "distill_loss", "skill", "seconds")


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
    """

    seeds: tuple[int, ...]
    trait: NDArray[np.float64]
    trait_loss: NDArray[np.float64]
    readout: NDArray[np.float64]
    distill_loss: NDArray[np.float64]
    skill: NDArray[np.float64]
    seconds: NDArray[np.float64]

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
        network = build_experiment(cfg).network
        theta = _weights([of_seed[seed] for seed in there], network)
        data = build_experiment(setting).data.load()
        found["readout"][places] = readout(network, theta, data, there)
        found["distill_loss"][places] = held_out(setting, network, theta, data, there)
    return Students(seeds, **found)


@torch.no_grad()
def held_out(
    setting: DictConfig, network: Network, theta: Tensor, data: Labelled, seeds: tuple[int, ...]
) -> list[float]:
    """Return each student's loss against its teacher on inputs that it was not trained on.

    Inputs and loss are those of the undefended setting, whatever the defence made of its own.
    """
    experiment = build_experiment(setting)
    inputs = replace(experiment.inputs, size=HELD_OUT)  # type: ignore[type-var]
    shared = shared_weights(setting, experiment, seeds)
    there = data.to(experiment.device)
    teacher = teacher_weights(setting, experiment, there, shared.teacher, seeds)[0].cpu()
    losses = []
    for row, seed in enumerate(seeds):
        generator = streams.stream(seed, streams.HELD_OUT)
        x = torch.from_numpy(inputs.draw(data.train_x, generator=generator))[None]
        targets = experiment.teacher_network.logits(teacher[row : row + 1], x)
        logits = network.logits(theta[row : row + 1], x)
        loss = experiment.loss(logits, targets, network.classes)  # type: ignore[operator]
        losses.append(float(loss))
    return losses


def _last_epoch(run: Path) -> dict[str, float]:
    epochs = pl.read_parquet(run / "epochs.parquet", glob=False)
    student = epochs.filter(pl.col("phase") == "student").sort("epoch")
    return student.row(-1, named=True)


def _weights(runs: Sequence[Path], network: Network) -> Tensor:
    """Return the trained students' weights, (seeds, P)."""
    theta = torch.zeros(len(runs), network.layout.size)
    views = network.layout.views(theta)
    for row, run in enumerate(runs):
        for name, values in load_file(run / "student.safetensors").items():
            views[name][row] = values
    return theta


def stopped_early(runs: Sequence[Path], trait: str, loss: float) -> float:
    """Return the trait of undefended students stopped when their training loss was `loss`.

    The mean over seeds of each one's own curve, interpolated in ln(loss) between the moments at
    which its trait was measured; its ends where the loss lies outside.
    """
    values = []
    for run in runs:
        steps = pl.read_parquet(run / "steps.parquet", glob=False).sort("step")
        curve = steps.select("step", metrics.DISTILL_LOSS).drop_nulls()
        moments = steps.select("step", trait).drop_nulls()
        at = moments["step"].to_numpy()
        window = np.ones(15) / 15  # a step's batch is noisy
        smooth = np.convolve(np.log(curve[metrics.DISTILL_LOSS].to_numpy()), window, mode="valid")
        centre = curve["step"].to_numpy()[7 : 7 + len(smooth)]
        losses = np.interp(at, centre, smooth)
        order = np.argsort(losses)
        values.append(np.interp(np.log(loss), losses[order], moments[trait].to_numpy()[order]))
    return float(np.mean(values))
