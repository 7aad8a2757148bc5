"""A sweep: compose, check and plan every job before the first one trains, then launch them all."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn
from hydra.errors import HydraException
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from rich.progress import track

from subliminal.config import seeds
from subliminal.config.canonical import Plain, composed_values
from subliminal.config.terminal import console
from subliminal.errors import UserError, one_line
from subliminal.sweep import grid, launchers, plan, planned

if TYPE_CHECKING:  # torch is imported when the first job is built
    from subliminal.training.job import Job


def run_sweep(
    config: DictConfig, context: HydraContext, launcher: Launcher, arguments: list[str]
) -> list[Sequence[JobReturn]]:
    """Check all jobs of a sweep, print the plan, launch the jobs and return their results.

    `config` is the sweep's, with Hydra's node, and `arguments` are the command line's overrides.

    Raises:
        UserError: a job is wrong, before any training; or a job failed, after all others.
    """
    from subliminal.training.job import Job, chain

    hydra = config.hydra
    loader = context.config_loader
    parse = OverridesParser.create(loader).parse_overrides
    quote = partial(seeds.quote, named=loader.get_group_options("seed"))  # as a command line's
    words = quote([*grid.words_of(hydra.sweeper.params), *arguments])
    jobs = grid.jobs(words, [*map(quote, grid.grids_of(hydra.sweeper.grids))], parse)
    remote = launchers.is_remote(hydra.launcher)
    checked: list[Job] = []
    values: list[Plain] = []
    bar, quiet = console(stderr=True), not sys.stderr.isatty()
    for job_words in track(jobs, "Jobs checked", console=bar, transient=True, disable=quiet):
        try:
            values.append(composed_values(loader.load_sweep_config(config, job_words)))
            job = Job(values[-1], plan.condition_name(job_words), elsewhere=remote)
            job.experiment.check_seeds(job.seeds)
        except (UserError, HydraException, OmegaConfBaseException) as error:
            raise UserError(f"{one_line(error)} (job: {' '.join(job_words)})") from error
        checked.append(job)
    checked = plan.in_one_folder(checked)
    # Another machine's device may be part of another hash, and name other folders.
    every = checked if remote else plan.in_one_folder(one for job in checked for one in chain(job))
    plan.PLAN[:] = plan.conditions(every)
    plan.show(plan.PLAN, force=config.force, resume=config.resume)
    planned.write_plan(dict(zip(map(tuple, jobs), checked, strict=True)), values, config)
    if not remote:
        for job in every:  # reports name the seeds that are missing
            job.record(job.seeds)
    launchers.share_cores(hydra, len(jobs))
    results = launcher.launch(jobs, initial_job_idx=0)
    for result in results:
        _ = result.return_value  # raises the error of a failed job
    return [results]
