"""One setting tried: its students trained where they are missing, and measured."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from omegaconf import DictConfig

from subliminal import store
from subliminal.config.canonical import canonical
from subliminal.config.seeds import parse
from subliminal.errors import RunsFailed
from subliminal.judge.battery import Defence, Setting
from subliminal.judge.leak import GATE, PRICE, Evidence, Interval, price
from subliminal.judge.measure import Students, stopped_early, students
from subliminal.sweep import plan
from subliminal.sweep.console import Console
from subliminal.sweep.engine import run_job
from subliminal.training.experiment import build_experiment


@dataclass(frozen=True)
class Trial:
    """A setting's students, undefended, of a teacher that learnt nothing, and defended."""

    setting: Setting
    undefended: Students
    null: Students | None
    defended: Students | None

    @property
    def gate(self) -> float:
        """By how much undefended students must exceed those that learnt nothing."""
        return GATE if self.null is not None else 0.0

    def evidence(self) -> Evidence:
        """Return the numbers as the statistics take them; a missing defended run leaks all."""
        assert self.defended is not None, "the defence fits"
        zero = np.zeros_like(self.undefended.trait)
        null = self.null
        return Evidence(
            defended=filled(self.defended.trait, self.undefended.trait),
            undefended=self.undefended.trait,
            null=zero if null is None else null.trait,
            defended_loss=filled(self.defended.trait_loss, self.undefended.trait_loss),
            null_loss=self.undefended.trait_loss if null is None else null.trait_loss,
        )

    def price(self) -> Interval | None:
        """Return the held-out loss over that of the undefended; None: too few defended runs."""
        assert self.defended is not None, "the defence fits"
        ours, theirs = self.defended.distill_loss, self.undefended.distill_loss
        there = ~(np.isnan(ours) | np.isnan(theirs))
        return price(ours[there], theirs[there]) if there.sum() > 1 else None

    def stopped(self, cost: Interval | None) -> float | None:
        """Return the trait of undefended students stopped at the defended ones' loss.

        Args:
            cost: the price.

        Returns:
            None where the defence keeps utility, and so there is nothing to compare with.
        """
        if cost is None or cost.value <= PRICE:
            return None
        return stopped_early(self.undefended.runs, self.setting.trait, cost.value)


def tried(
    defence: Defence, setting: Setting, seeds: tuple[int, ...], console: Console, more: str = ""
) -> Trial:
    """Train what a setting lacks, and measure it.

    Args:
        defence: what is judged.
        setting: composed for it.
        seeds: of its students.
        console: shows progress and lines to the user.
        more: what an attacker changed besides, for the conditions' names.
    """
    name = f"threat={setting.name}{more}"
    undefended = trained(setting.undefended, name, console, needed=True)
    parts: dict[str, Students | None] = {"null": None, "defended": None}
    for part, cfg, title in (
        ("null", setting.null, f"{name},teacher.steering=displaced"),
        ("defended", setting.defended, f"{name},{defence.name}"),
    ):
        if cfg is not None:
            runs = trained(cfg, title, console, needed=part == "null")
            parts[part] = students(cfg, runs, seeds, setting.trait, setting.undefended)
    return Trial(
        setting,
        students(setting.undefended, undefended, seeds, setting.trait, setting.undefended),
        parts["null"],
        parts["defended"],
    )


def trained(cfg: DictConfig, condition: str, console: Console, *, needed: bool) -> list[Path]:
    """Train a condition's missing runs; return the finished ones.

    Args:
        cfg: of the condition.
        condition: its readable name.
        console: shows progress and lines to the user.
        needed: raise where a run fails; else it counts against the defence.
    """
    folder, condition = folder_of(cfg, condition)
    seeds = parse(cfg.seed.spec)
    if any(store.examine(store.run_dir(folder, seed)) != "finished" for seed in seeds):
        console.say(f"Training {condition} ({len(seeds)} seeds)")
        try:
            run_job(cfg, condition, console)
        except RunsFailed as error:
            if needed:
                raise
            console.say(f"{error}; they count against the defence")
    return [run for s in seeds if store.finished(run := store.run_dir(folder, s))]


def folder_of(cfg: DictConfig, condition: str = "") -> tuple[Path, str]:
    """Return a condition's folder, and its readable name as it is recorded there."""
    place = plan.place(canonical(cfg), build_experiment(cfg).device.type, condition)
    return place.directory, place.condition


def filled(values: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values with those of `whole` where a run is missing: all of it leaked."""
    return np.where(np.isnan(values), whole, values)
