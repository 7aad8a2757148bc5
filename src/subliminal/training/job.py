"""A job: one condition and its seeds, resolved once from a composed config."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from subliminal import store
from subliminal.config.build import build
from subliminal.config.canonical import Plain, canonical, settings
from subliminal.config.schema import Config
from subliminal.config.seeds import parse
from subliminal.errors import UserError
from subliminal.steering.run import Run
from subliminal.store.provenance import environment
from subliminal.tensors.network import Network
from subliminal.training.experiment import Experiment, build_experiment


@dataclass(frozen=True, init=False)
class Job:
    """One condition and its seeds: what to train, under which name, in which folder.

    Its config is resolved once, when the job is made: everything is typed, built and checked, and
    never changes. The runs lie in the experiment's folder of the same condition, whatever name it
    has there, or else in a new one.
    """

    config: Plain  # canonical; run folders record it, and condition hashes are computed from it
    cfg: Config = field(compare=False, repr=False)  # the same as a dataclass
    condition: str  # the condition's readable name
    identity: str  # the condition's hash
    directory: Path  # the condition's folder
    seeds: tuple[int, ...]  # in the order of the seed set
    made_with: Plain = field(repr=False)  # versions, commit and machine as the command started
    force: bool  # train finished seeds again
    elsewhere: bool = field(compare=False)  # it will run on another machine

    def __init__(
        self, values: Mapping[str, Any], condition: str, *, elsewhere: bool = False
    ) -> None:
        """Resolve a composed config.

        Args:
            values: the composed config as plain values.
            condition: the condition's readable name, if it is new.
            elsewhere: the job will run on another machine, which may have another device.

        Raises:
            UserError: a key or value is wrong, or a folder of the condition's name holds another
                condition.
        """
        config = canonical(values)
        vars(self).update(
            config=config,
            cfg=settings(config),
            seeds=parse(config["seed"]["spec"]),
            made_with=environment(),
            force=config["force"],
            elsewhere=elsewhere,
        )
        identity = store.condition_hash(self.config, self.experiment.device.type)
        above = Path(self.cfg.outputs) / self.cfg.name
        found = store.folder_of(above, identity)
        directory = found or above / store.folder_name(condition, identity)
        record = store.recorded(directory)  # empty if damaged; then it is written anew
        if record and found is None:
            raise UserError(f"{directory}: holds another condition; give that another name")
        name = str(record.get("condition", condition))
        vars(self).update(condition=name, identity=identity, directory=directory)

    @cached_property
    def experiment(self) -> Experiment:
        """The checked objects, built on first access; each process builds its own."""
        # This machine need not have the device of a job that runs elsewhere.
        device = "auto" if self.elsewhere else self.cfg.engine.device
        return build_experiment(replace(self.cfg, engine=replace(self.cfg.engine, device=device)))

    @cached_property
    def text(self) -> str:
        """The config as YAML, all but the seed."""
        return OmegaConf.to_yaml({k: v for k, v in self.config.items() if k != "seed"})

    def run_dir(self, seed: int) -> Path:
        """Return the folder of one seed's run."""
        return store.run_dir(self.directory, seed)

    def teacher_hash(self, seed: int, variant: str = "") -> str:
        """Return the hash that names a seed's teacher in the cache."""
        return store.teacher_hash(self.config, self.experiment.device.type, seed, variant)

    def base_hash(self, seed: int, network: Network, stream: str) -> str:
        """Return the hash that names a seed's pre-trained weights, drawn from `stream`."""
        own = network is not self.experiment.teacher_network
        model = self.config["distill"]["model"] if own else self.config["model"]
        return store.base_hash(self.config, self.experiment.device.type, seed, model, stream)

    def record(self, seeds: Iterable[int]) -> None:
        """Record the wanted seeds in the condition's folder, so that reports name missing ones.

        Raises:
            UserError: the outputs folder cannot be written.
        """
        try:
            store.record_condition(
                self.directory, self.condition, seeds, self.config, self.identity
            )
        except OSError as error:
            raise unwritable(self.config["outputs"], error) from error

    def with_tracker(self, tracker: Plain | None) -> Job:
        """Return the job with another tracker config."""
        made = None if tracker is None else build(tracker, "tracker")
        experiment = replace(self.experiment, tracker=made)
        config = {**self.config, "tracker": tracker}
        # A worker process builds its objects from `cfg`.
        return self.changed(config=config, cfg=settings(config), experiment=experiment)

    def changed(self, **values: Any) -> Job:
        """Return a copy with other attributes; its config is not resolved again."""
        job = object.__new__(Job)
        vars(job).update(vars(self) | values)
        vars(job).pop("text", None)  # of the old config
        return job

    def __getstate__(self) -> Plain:
        """Return the attributes that are sent to a worker process, which builds its own objects."""
        return {key: value for key, value in vars(self).items() if key != "experiment"}


def chain(job: Job) -> Iterator[Job]:
    """Yield a job, then one for each further generation, taught by the last one's students.

    All other settings are the same in each. The folders of all but the last are made: a condition
    is named by the hash of the one that teaches it.

    Raises:
        UserError: the outputs folder cannot be written.
    """
    yield job
    first = job
    for generation in range(2, job.cfg.distill.generations + 1):
        job.record(job.seeds)
        target = f"{Run.__module__}.{Run.__qualname__}"
        own = {"_target_": target, "folder": str(job.directory), "generation": generation}
        values = copy.deepcopy(first.config)
        values["teacher"]["steering"], values["distill"]["generations"] = own, 1
        named = "" if first.condition == "default" else f",{first.condition}"
        job = Job(values, f"generation={generation}{named}")
        yield job


def unwritable(outputs: str, error: OSError) -> UserError:
    """Return the error for an outputs folder that cannot be written."""
    return UserError(
        f"outputs={outputs}: cannot be written ({error.strerror}); "
        "choose another folder with outputs=…"
    )
