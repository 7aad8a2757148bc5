"""The finished runs of an experiment as tables."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from subliminal import store
from subliminal.errors import UserError

# Conditions are compared with one of these, or with the first.
BASELINES = ("mitigation=none", "distill.loss.logits=aux,distill.init=shared")


@dataclass(frozen=True)
class Condition:
    """One condition's runs."""

    name: str  # its overrides
    seeds: tuple[int, ...]
    steps: pl.DataFrame  # a row per seed and step
    epochs: pl.DataFrame  # a row per seed and epoch of the student
    teacher: pl.DataFrame  # a row per seed and epoch of the teacher
    summaries: list[dict[str, Any]]

    def final(self, metric: str) -> dict[int, float]:
        """Return each seed's value at the end of the last epoch."""
        last = self.epochs.filter(pl.col("epoch") == self.epochs["epoch"].max())
        return dict(zip(last["seed"].to_list(), last[metric].to_list(), strict=True))

    def over_run(self, metric: str) -> dict[int, float]:
        """Return each seed's mean over all steps."""
        means = self.steps.group_by("seed").agg(pl.col(metric).mean()).sort("seed")
        return dict(zip(means["seed"].to_list(), means[metric].to_list(), strict=True))

    def curve(self, table: pl.DataFrame, metric: str) -> tuple[NDArray[np.float64], ...]:
        """Return the points where `metric` was measured, in epochs, and its values (seeds, n)."""
        measured = table.filter(pl.col(metric).is_not_null()).sort("seed", "step")
        wide = measured.pivot(on="step", index="seed", values=metric, aggregate_function=None)
        first = measured.filter(pl.col("seed") == self.seeds[0])
        return first["epoch"].to_numpy().astype(float), wide.drop("seed").to_numpy()


def load(experiment: Path) -> list[Condition]:
    """Read the finished runs below `outputs/<name>`: conditions in order, the baseline first.

    Raises:
        UserError: there is none, or two conditions have one name (their configs differ in what no
            override shows).
    """
    directories: dict[Path, list[Path]] = {}
    for run in store.finished_runs(experiment):
        directories.setdefault(run.parent, []).append(run)
    if not directories:
        raise UserError(f"{experiment}: no finished run below; train first")
    conditions = [_condition(runs) for runs in directories.values()]
    names = [condition.name for condition in conditions]
    if len(set(names)) < len(names):
        double = next(name for name in names if names.count(name) > 1)
        raise UserError(f"{experiment}: two conditions are called {double}; keep one of them")
    return sorted(conditions, key=lambda c: (c.name not in BASELINES, names.index(c.name)))


def _condition(runs: list[Path]) -> Condition:
    summaries = [store.read_summary(run) for run in runs]
    epochs, steps = (
        pl.concat(
            [pl.read_parquet(run / f"{table}.parquet", glob=False) for run in runs], how="diagonal"
        )
        for table in ("epochs", "steps")
    )
    return Condition(
        name=summaries[0]["condition"],
        seeds=tuple(sorted(summary["seed"] for summary in summaries)),
        steps=steps,
        epochs=epochs.filter(pl.col("phase") == "student").sort("seed", "step"),
        teacher=epochs.filter(pl.col("phase") == "teacher").sort("seed", "step"),
        summaries=summaries,
    )
