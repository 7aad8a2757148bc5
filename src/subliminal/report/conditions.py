"""Finished runs as tables, by sweep and condition, and the runs that are missing."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from subliminal import metrics, store
from subliminal.report import varied

# The metrics that a report reads at each step: all of them would not fit for 10,000 runs.
STEP_METRICS = (
    metrics.ALIGNMENT,
    metrics.ALIGNMENT_NULL,
    metrics.ALIGNMENT_FULL,
    metrics.RATE_BOUND,
    metrics.RATE_SECOND,
    metrics.UPDATE_ALIGNMENT,
    metrics.LEDGER_PREDICTED,
    metrics.LEDGER_ACTUAL,
    metrics.LEDGER_DISTILL,
    metrics.LEDGER_PENALTY,
    metrics.LEDGER_INTERVENTION,
    metrics.total(metrics.LEDGER_ACTUAL),
    metrics.total(metrics.LEDGER_PREDICTED),
    metrics.DISTILL_LOSS,
)
NOISY = (metrics.ALIGNMENT, metrics.UPDATE_ALIGNMENT)  # of single batches
_TRAINING = ("data.normalise", "data.validation")  # keys that keep the test images
LAYER = f"{metrics.ALIGNMENT}/"  # prefix of the metrics of single layers' alignment

QUICK = "preset=quick: a trial of the command, which decides nothing."
WINDOW = 15  # most steps of the centred moving average of alignments
SMOOTHING = f"moving average over {WINDOW} steps, fewer in a short run"

Array = NDArray[np.float64]
PerSeed = dict[int, float]
States = dict[Path, store.State]  # of planned runs, by folder


def per_seed(table: pl.DataFrame, value: pl.Expr) -> PerSeed:
    """Return each seed's value, an aggregate over its rows of a table."""
    return dict(table.group_by("seed").agg(value.alias("value")).sort("seed").iter_rows())


def training_seconds(summary: Mapping[str, Any]) -> float:
    """Return the seconds of a student's training: its share of its stack's seconds."""
    return float(summary["seconds"]["student"] / summary["stack"])


def paired(ours: PerSeed, theirs: PerSeed) -> PerSeed:
    """Return our values less theirs, for the seeds that both have."""
    return {seed: ours[seed] - theirs[seed] for seed in sorted(ours.keys() & theirs.keys())}


@dataclass(frozen=True)
class Condition:
    """One condition's finished runs."""

    name: str  # the values of the keys that vary
    seeds: tuple[int, ...]
    steps: pl.DataFrame  # a row per seed and step
    epochs: pl.DataFrame  # a row per seed and epoch of the student
    teacher: pl.DataFrame  # a row per seed and epoch of the teacher
    summaries: list[dict[str, Any]]  # in order of the seeds
    config: varied.Flat = field(default_factory=dict)
    directory: Path = Path()
    planned: States = field(default_factory=dict)
    preset: str | None = None

    @property
    def digest(self) -> str:
        """Return the hash of the config: the last eight digits of its folder's name."""
        return self.directory.name[-8:]

    @property
    def accuracy(self) -> PerSeed:
        """Return each seed's final trait accuracy."""
        return self.final(metrics.TRAIT_ACCURACY)

    @property
    def loss(self) -> PerSeed:
        """Return each seed's distillation loss over the last epoch, ×10⁴."""
        return {seed: 1e4 * loss for seed, loss in self.final(metrics.DISTILL_LOSS).items()}

    def differences(self, baseline: "Condition") -> list[float]:
        """Return the differences of final trait accuracy, for the seeds that both have.

        There are none between accuracies on other images.
        """
        if self.measured_on() != baseline.measured_on():
            return []
        return list(paired(self.accuracy, baseline.accuracy).values())

    def measured_on(self) -> varied.Flat:
        """Return the config values that decide on which images the trait is measured."""
        return {
            key: value
            for key, value in self.config.items()
            if (f"{key}.".startswith("data.") and key not in _TRAINING) or key == "trait.on"
        }

    def final(self, metric: str) -> PerSeed:
        """Return each seed's value after the last epoch, of the teacher for a metric of its own.

        Seeds that lack it are left out.
        """
        for table in (self.epochs, self.teacher):
            if metric in table.columns:
                last = table.filter(pl.col("epoch") == table["epoch"].max())
                if found := dict(last.select("seed", metric).drop_nulls().iter_rows()):
                    return found
        return {}

    def in_epoch(self, metric: str, epoch: int) -> PerSeed:
        """Return each seed's value in an epoch, or at its end; 0 is the start."""
        return per_seed(self.epochs.filter(pl.col("epoch") == epoch), pl.col(metric).mean())

    def over_run(self, metric: str) -> PerSeed:
        """Return each seed's mean over all steps."""
        return per_seed(self.steps, pl.col(metric).mean())

    def positive(self, metric: str) -> PerSeed:
        """Return the share of each seed's steps at which `metric` was positive."""
        return per_seed(self.steps, (pl.col(metric) > 0).mean())

    def curve(self, metric: str, table: str = "steps") -> tuple[Array, Array]:
        """Return the points where `metric` was measured, in epochs, and its values (seeds, n).

        `table` is steps or epochs. Alignments of single steps are moving averages. If seeds were
        measured at different points, only the common points are returned.
        """
        frame: pl.DataFrame = getattr(self, table)
        measured = frame.filter(pl.col(metric).is_not_null()).sort("seed", "step")
        seeds = measured["seed"].n_unique()
        common = measured.filter(pl.len().over("step") == seeds)
        values = common[metric].to_numpy().astype(np.float64).reshape(seeds, -1)
        x = common["epoch"].head(values.shape[1]).to_numpy().astype(np.float64)
        return smooth(x, values) if table == "steps" and metric in NOISY else (x, values)

    def layers(self) -> pl.DataFrame:
        """Return the mean alignment over seeds within each parameter tensor, a row per epoch."""
        names = [name for name in self.epochs.columns if name.startswith(LAYER)]
        known = self.epochs.drop_nulls(names[:1]) if names else self.epochs.clear()
        return known.group_by("epoch").agg(pl.col(names).mean()).sort("epoch")

    def measured(self, metric: str, table: str) -> bool:
        """Tell whether a table, steps or epochs, has values of `metric`."""
        frame: pl.DataFrame = getattr(self, table)
        return metric in frame.columns and frame[metric].count() > 0

    def logged(self, metric: str) -> bool:
        """Tell whether `metric` was measured at steps."""
        return self.measured(metric, "steps")

    @property
    def chance(self) -> float:
        """Return the accuracy of a guess among the classes of the data."""
        classes = self.config.get("data.classes", 10)
        return 1 / (classes if isinstance(classes, int) else len(json.loads(str(classes))))


@dataclass(frozen=True)
class Sweep:
    """Conditions that are reported together, paired by seed; the baseline comes first."""

    name: str
    directory: Path
    conditions: list[Condition]
    swept: dict[str, list[varied.Value]]
    planned: States  # also of conditions without a finished run
    problems: list[str]  # one line for each damaged run

    @property
    def baseline(self) -> Condition:
        """Return the condition that the others are compared with."""
        return self.conditions[0]

    @property
    def digest(self) -> str:
        """Return a hash of the reported configs and seeds, eight digits."""
        names = [f"{c.digest}:{c.seeds}" for c in self.conditions]
        return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()[:8]

    @property
    def decides(self) -> bool:
        """Return whether the runs may decide anything: `preset=quick` is there to try a command."""
        return all(condition.preset != "quick" for condition in self.conditions)

    def states(self) -> dict[str, int]:
        """Return the numbers of planned runs in each state but `finished`."""
        found = Counter(self.planned.values())
        order: list[store.State] = ["failed", "running", "partial", "missing", "damaged"]
        return {state: found[state] for state in order if found[state]}

    def incomplete(self) -> list[str]:
        """Return a line for each condition and state of its runs without results."""
        lines: dict[tuple[str, str], list[int | None]] = {}
        for run, state in self.planned.items():
            if state not in ("finished", "damaged"):
                lines.setdefault((state, run.parent.name), []).append(store.seed_of(run))
        return [
            f"{state}: {condition}, seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
            for (state, condition), seeds in sorted(lines.items())
        ]

    @property
    def plane(self) -> list[str]:
        """Return the two keys of a grid of numbers; [] if the sweep is no such grid."""
        numeric = [key for key, v in self.swept.items() if varied.numbers([*v, v[0]])]  # two do
        sides = [len(values) for values in self.swept.values()]
        crossed = len(numeric) == len(sides) == 2 and len(self.conditions) > max(sides)
        return numeric if crossed else []

    def few(self, most: int) -> list[Condition]:
        """Return at most `most` conditions: the baseline, and others spread over accuracy."""
        rest = self.conditions[1:]
        if len(rest) < most:
            return self.conditions
        order = np.argsort([np.mean(list(c.accuracy.values())) for c in rest], kind="stable")
        spread = order[np.linspace(0, len(rest) - 1, most - 1).astype(int)]
        return [self.baseline, *(rest[place] for place in sorted(spread))]


def smooth(x: Array, values: Array) -> tuple[Array, Array]:
    """Average each seed's curve (seeds, points) over WINDOW steps, fewer in a short run."""
    steps = min(WINDOW, max(1, len(x) // 8))
    kernel = np.full(steps, 1 / steps)
    curves = np.stack([np.convolve(row, kernel, mode="valid") for row in values])
    return np.convolve(x, kernel, mode="valid"), curves
