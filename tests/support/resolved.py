"""Composed configs turned into what the package works with: experiments, hashes, trained runs."""

import copy
import re
from functools import cache
from pathlib import Path
from typing import TypeVar

from hydra import initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from subliminal import store
from subliminal.config import build, schema, seeds, sources
from subliminal.config.canonical import Plain, canonical, composed_values, settings, without_hydra
from subliminal.config.resources import CONF
from subliminal.sweep.console import Console
from subliminal.sweep.engine import run_job
from subliminal.training.experiment import Experiment, build_experiment
from subliminal.training.job import Job

T = TypeVar("T")


def composed(*overrides: str) -> DictConfig:
    """Compose the real `conf/` with a command line's overrides, as the entrypoint does."""
    # A test's own folder is no reason to compose anew.
    outputs = [word for word in overrides if word.startswith("outputs=")]
    if not all(re.fullmatch(r"outputs=/[\w/.-]+", word) for word in outputs):
        outputs = []
    words = [word for word in overrides if word not in outputs]
    cfg = copy.deepcopy(_composed(*seeds.quote(words, named={"judge", "paper"})))
    for word in outputs:
        cfg.outputs = word.removeprefix("outputs=")
    OmegaConf.set_struct(cfg, True)
    return cfg


@cache  # Hydra takes 0.1 s
def _composed(*words: str) -> DictConfig:
    loader, sweep = _hydra()
    return without_hydra(loader.load_sweep_config(sweep, list(words)))


@cache
def _hydra() -> tuple[ConfigLoader, DictConfig]:
    schema.register()
    sources.register()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        return loader, loader.load_configuration("config", [], run_mode=RunMode.MULTIRUN)


def canonical_of(cfg: DictConfig | Plain) -> Plain:
    """Return a composed config's canonical values; those of plain values."""
    return canonical(composed_values(cfg) if isinstance(cfg, DictConfig) else cfg)


def experiment_of(cfg: DictConfig) -> Experiment:
    """Return the checked objects of a composed config."""
    return build_experiment(settings(canonical_of(cfg)))


def condition_hash(cfg: DictConfig | Plain, device: str) -> str:
    """Return the hash of a composed config's condition."""
    return store.condition_hash(canonical_of(cfg), device)


def teacher_hash(cfg: DictConfig | Plain, device: str, seed: int) -> str:
    """Return the hash of the teacher of a composed config and seed."""
    return store.teacher_hash(canonical_of(cfg), device, seed)


def job_of(cfg: DictConfig, condition: str = "condition") -> Job:
    """Return the job of a composed config."""
    return Job(composed_values(cfg), condition)


def train_config(cfg: DictConfig, condition: str, console: Console | None = None) -> list[Path]:
    """Train the job of a composed config; return its runs."""
    return run_job(Job(composed_values(cfg), condition), console or Console())


def check(made: T, where: str) -> T:
    """Check an object that a test made as those of a config are."""
    build.check(type(made), vars(made), where)
    return made
