"""A sweep: compose, check and plan every job before the first one trains, then launch them.

`hydra_plugins.subliminal_sweeper`, which Hydra finds, hands over to this module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn
from hydra.errors import HydraException
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from omegaconf import DictConfig, read_write
from omegaconf.errors import OmegaConfBaseException

from subliminal.config import guard
from subliminal.config.arguments import quoted
from subliminal.config.canonical import Plain, composed_values
from subliminal.errors import UserError, one_line
from subliminal.sweep import grid, plan, planned
from subliminal.sweep.compose import composer
from subliminal.sweep.console import Console
from subliminal.sweep.launchers import elsewhere, share_cores

if TYPE_CHECKING:  # torch is imported when the first job is built
    from subliminal.training.job import Job


def run_sweep(
    config: DictConfig, context: HydraContext, launcher: Launcher, arguments: list[str]
) -> list[Sequence[JobReturn]]:
    """Check all jobs of a sweep, print the plan, launch the jobs and wait for them.

    Args:
        config: the sweep's, with Hydra's node.
        context: has the loader of configs.
        launcher: starts the jobs.
        arguments: overrides of the command line.

    Returns:
        The jobs' results, in one batch.

    Raises:
        UserError: a job is wrong, before any training; or a job failed, after all others.
    """
    hydra = config.hydra
    loader = context.config_loader
    parse = OverridesParser.create(loader).parse_overrides
    words = [*grid.words_of(hydra.sweeper.params), *arguments]
    jobs = grid.jobs(words, grid.grids_of(hydra.sweeper.grids), parse)
    remote = elsewhere(hydra.launcher)
    checked, values = _checked(jobs, composer(loader, config, parse), remote=remote)
    plan.PLAN[:] = plan.conditions(checked.values())
    plan.show(plan.PLAN, force=config.force, resume=config.resume)
    _keep(checked, values, config, remote=remote)
    share_cores(hydra, len(jobs))
    results = launcher.launch(jobs, initial_job_idx=0)
    for result in results:
        _ = result.return_value  # raises what a failed job raised
    return [results]


def _checked(
    jobs: list[grid.Words], compose: Callable[[grid.Words], DictConfig], *, remote: bool
) -> tuple[dict[tuple[str, ...], Job], list[Plain]]:
    """Return each job by its overrides, and its composed config; the first wrong one is refused."""
    from subliminal.training.job import Job

    found, composed = [], []
    for words in Console().counted(jobs, "Jobs checked"):
        try:
            composed.append(composed_values(compose(words)))
            job = Job(composed[-1], plan.condition_name(words), elsewhere=remote)
            job.experiment.check_seeds(job.seeds)
        except (UserError, HydraException, OmegaConfBaseException) as error:
            raise UserError(f"{one_line(error)} (job: {' '.join(words)})") from error
        found.append(job)
    return dict(zip(map(tuple, jobs), plan.in_one_folder(found), strict=True)), composed


def _keep(
    checked: Mapping[tuple[str, ...], Job],
    values: list[Plain],
    config: DictConfig,
    *,
    remote: bool,
) -> None:
    """Write the plan; note in each condition's folder which seeds are wanted."""
    from subliminal.training.job import unwritable

    directory = planned.folder(config.hydra)
    # A job that has its own `outputs` finds the sweep's folder all the same.
    guard.allow("hydra.sweep.dir")
    with read_write(config.hydra.overrides):
        config.hydra.overrides.hydra.append(f"hydra.sweep.dir={quoted(str(directory))}")
    try:
        planned.keep(checked, values, directory)
    except OSError as error:
        raise unwritable(config.outputs, error) from error
    if not remote:  # elsewhere another device may be another hash
        seeds: dict[Path, list[int]] = {}
        for job in checked.values():
            seeds.setdefault(job.directory, []).extend(job.seeds)
        for job in {job.directory: job for job in checked.values()}.values():
            job.record(seeds[job.directory])
