"""Jobs of a battery: compose them, train their missing runs, find finished runs and teachers.

No other module of the judge composes a config or starts a training.
"""

import copy
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from subliminal import store
from subliminal.config import guard, schema, sources
from subliminal.config.canonical import Plain, composed_values
from subliminal.config.resources import CONF
from subliminal.errors import RunsFailed
from subliminal.sweep.console import Console
from subliminal.sweep.engine import run_job
from subliminal.training.job import Job


def compose(words: Sequence[str], config_dir: Path | None) -> Plain:
    """Compose a config from overrides, as `subliminal.train` does; return its plain values."""
    return copy.deepcopy(_compose(tuple(words), config_dir))


@lru_cache(maxsize=256)  # the undefended settings are the same for all defences
def _compose(words: tuple[str, ...], config_dir: Path | None) -> Plain:
    argv = [*words]
    if config_dir is not None:
        argv.append(f"hydra.searchpath=[file://{config_dir.resolve()}]")
    schema.register()
    sources.register()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"), guard.guarded(argv):
        return composed_values(hydra_compose("config", argv))


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
