"""The conditions of a battery: composed, trained where runs are missing, found again on disk.

No other module of the judge composes a config, builds an experiment or starts a training.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig
from torch import Tensor

from subliminal import store
from subliminal.config import guard, schema, sources
from subliminal.config.canonical import canonical
from subliminal.config.resources import CONF
from subliminal.config.seeds import parse
from subliminal.data import Labelled
from subliminal.errors import RunsFailed
from subliminal.sweep import plan
from subliminal.sweep.console import Console
from subliminal.sweep.engine import run_job
from subliminal.training.experiment import Experiment, build_experiment
from subliminal.training.runner import shared_weights, teacher_weights


@dataclass(frozen=True)
class Condition:
    """One condition, and what follows from its config."""

    cfg: DictConfig
    name: str  # readable

    @cached_property
    def experiment(self) -> Experiment:
        """The built and checked objects."""
        return build_experiment(self.cfg)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of its runs."""
        return parse(self.cfg.seed.spec)

    @property
    def runs(self) -> dict[int, Path]:
        """The run folder of each seed, whether or not it exists."""
        place = plan.place(canonical(self.cfg), self.experiment.device.type, self.name)
        return {seed: store.run_dir(place.directory, seed) for seed in self.seeds}

    def finished(self) -> list[Path]:
        """Return the folders of its finished runs."""
        return [run for run in self.runs.values() if store.finished(run)]

    def train(self, console: Console, *, needed: bool) -> list[Path]:
        """Train the missing runs; return the finished ones.

        Where a run fails, raise `RunsFailed` if it is needed; else it counts against the defence.
        """
        if any(store.examine(run) != "finished" for run in self.runs.values()):
            console.say(f"Training {self.name} ({len(self.seeds)} seeds)")
            try:
                run_job(self.cfg, self.name, console)
            except RunsFailed as error:
                if needed:
                    raise
                console.say(f"{error}; they count against the defence")
        return self.finished()

    def teacher_file(self, seed: int) -> Path:
        """Return where the teacher of a seed is cached."""
        name = store.teacher_hash(self.cfg, self.experiment.device.type, seed)
        return Path(self.cfg.outputs) / "teachers" / f"{name}.safetensors"

    def teachers(self, data: Labelled, seeds: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """Return where the teachers started and their weights, (seeds, P) each."""
        start = shared_weights(self.cfg, self.experiment, seeds).teacher
        return start, teacher_weights(self.cfg, self.experiment, data, start, seeds)[0]


def compose(words: Sequence[str], config_dir: Path | None) -> DictConfig:
    """Compose a config from overrides, as `subliminal.train` does."""
    return copy.deepcopy(_compose(tuple(words), config_dir))


@lru_cache(maxsize=256)  # the undefended settings are the same for all defences
def _compose(words: tuple[str, ...], config_dir: Path | None) -> DictConfig:
    argv = [*words]
    if config_dir is not None:
        argv.append(f"hydra.searchpath=[file://{config_dir.resolve()}]")
    schema.register()
    sources.register()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"), guard.guarded(argv):
        return hydra_compose("config", argv)
