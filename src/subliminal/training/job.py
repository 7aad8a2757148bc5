"""A job: one condition and its seeds, resolved once from a composed config and handed down."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from subliminal import store
from subliminal.config.build import build
from subliminal.config.canonical import canonical, settings
from subliminal.config.schema import Config
from subliminal.config.seeds import parse
from subliminal.errors import UserError
from subliminal.store.provenance import environment
from subliminal.training.experiment import Experiment, build_experiment

Plain = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """One condition and its seeds: what to train, under which name, and where its runs lie.

    Attributes:
        config: canonical; what run folders record and condition hashes are computed from.
        condition: the condition's readable name.
        identity: the condition's hash.
        directory: the condition's folder.
        seeds: in the order of the seed set.
        made_with: versions, commit and machine, as they were when the command began.
        force: train finished seeds again.
    """

    config: Plain
    condition: str
    identity: str
    directory: Path
    seeds: tuple[int, ...]
    made_with: Plain
    force: bool = False

    @cached_property
    def cfg(self) -> Config:
        """The config as its dataclass."""
        return settings(self.config)

    @cached_property
    def experiment(self) -> Experiment:
        """The checked objects; built once per process."""
        return build_experiment(self.cfg)

    @cached_property
    def text(self) -> str:
        """The config as YAML, all but the seed."""
        return OmegaConf.to_yaml({k: v for k, v in self.config.items() if k != "seed"})

    def fresh_experiment(self) -> Experiment:
        """Return a copy of the objects for one stack: probes keep what they gather."""
        return copy.deepcopy(self.experiment)

    def run_dir(self, seed: int) -> Path:
        """Return the folder of one seed's run."""
        return store.run_dir(self.directory, seed)

    def teacher_hash(self, seed: int, variant: str = "") -> str:
        """Return the digits that name a seed's teacher in the cache."""
        return store.teacher_hash(self.config, self.experiment.device.type, seed, variant)

    def with_tracker(self, tracker: Plain | None) -> Job:
        """Return the job with another tracker config."""
        made = None if tracker is None else build(tracker, "tracker")
        experiment = replace(self.experiment, tracker=made)
        return self._changed(experiment, config={**self.config, "tracker": tracker})

    def not_forced(self) -> Job:
        """Return the job without `force`."""
        return self._changed(self.experiment, force=False)

    def in_folder_of(self, other: Job) -> Job:
        """Return the job under the name and in the folder of another of the same condition."""
        return self._changed(self.experiment, condition=other.condition, directory=other.directory)

    def _changed(self, experiment: Experiment, **changes: Any) -> Job:
        job = replace(self, **changes)
        vars(job)["experiment"] = experiment  # not built anew
        return job

    def record(self, seeds: Iterable[int]) -> None:
        """Note in the condition's folder which seeds are wanted, so that reports name missing ones.

        Raises:
            UserError: the outputs folder cannot be written.
        """
        try:
            store.record_condition(
                self.directory, self.condition, seeds, self.config, self.identity
            )
        except OSError as error:
            raise unwritable(self.config["outputs"], error) from error

    def __getstate__(self) -> Plain:
        """Return what travels to a worker process, which builds its own objects."""
        built = ("cfg", "experiment", "text")
        return {key: value for key, value in vars(self).items() if key not in built}


def resolve(values: Mapping[str, Any], condition: str, *, elsewhere: bool = False) -> Job:
    """Return the job of a composed config, with all its objects built and checked.

    The runs lie in the folder of the experiment that holds the same condition already, whatever
    that condition is called; else in a new one.

    Args:
        values: the composed config as plain values.
        condition: the condition's readable name, should it be new.
        elsewhere: the job will run on another machine, which may have another device.

    Raises:
        UserError: a key or value is wrong, or a folder of the condition's name holds another
            condition.
    """
    config = canonical(values)
    cfg = settings(config)
    if elsewhere:  # this machine need not have the job's device
        cfg.engine.device = "auto"
    experiment = build_experiment(cfg)
    identity = store.condition_hash(config, experiment.device.type)
    above = Path(cfg.outputs) / cfg.name
    directory = store.folder_of(above, identity)
    if directory is None:
        directory = above / store.folder_name(condition, identity)
        if store.recorded(directory):  # a damaged record is written anew
            raise UserError(f"{directory}: holds another condition; give that another name")
    else:
        condition = store.recorded(directory).get("condition", condition)
    job = Job(
        config, condition, identity, directory, parse(cfg.seed.spec), environment(), cfg.force
    )
    vars(job)["experiment"] = experiment
    return job


def unwritable(outputs: str, error: OSError) -> UserError:
    """Return the error for an outputs folder that cannot be written."""
    return UserError(
        f"outputs={outputs}: cannot be written ({error.strerror}); "
        "choose another folder with outputs=…"
    )
