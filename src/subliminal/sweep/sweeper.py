"""A sweep: compose, check and plan every job before the first one trains, then launch them.

`hydra_plugins.subliminal_sweeper`, which Hydra finds, hands over to this module.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn
from hydra.errors import HydraException
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from omegaconf import DictConfig, read_write
from omegaconf.errors import OmegaConfBaseException

from subliminal.config import guard
from subliminal.config.arguments import quoted
from subliminal.config.canonical import composed_values
from subliminal.errors import UserError, one_line
from subliminal.sweep import grid, plan, planned
from subliminal.sweep.compose import composer
from subliminal.sweep.console import Console
from subliminal.sweep.launchers import elsewhere, share_cores


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
    checked = _checked(jobs, composer(loader, config, parse), remote=remote)
    plan.PLAN[:] = plan.conditions(one.job for one in checked)
    plan.show(plan.PLAN, force=config.force, resume=config.resume)
    _keep(checked, config, remote=remote)
    share_cores(hydra, len(jobs))
    results = launcher.launch(jobs, initial_job_idx=0)
    for result in results:
        _ = result.return_value  # raises what a failed job raised
    return [results]


def _checked(jobs: list[grid.Words], compose: Any, *, remote: bool) -> list[planned.Planned]:
    """Compose and build each job; the first that is wrong ends the sweep."""
    from subliminal.training.job import resolve

    found = []
    for words in Console().counted(jobs, "Jobs checked"):
        try:
            values = composed_values(compose(words))
            job = resolve(values, plan.condition_name(words), elsewhere=remote)
            job.experiment.check_seeds(job.seeds)
        except (UserError, HydraException, OmegaConfBaseException) as error:
            raise UserError(f"{one_line(error)} (job: {' '.join(words)})") from error
        found.append((list(words), values, job))
    settled = plan.in_one_folder(job for _, _, job in found)
    return [
        planned.Planned(words, job.condition, values, job)
        for (words, values, _), job in zip(found, settled, strict=True)
    ]


def _keep(checked: list[planned.Planned], config: DictConfig, *, remote: bool) -> None:
    """Write the plan; note in each condition's folder which seeds are wanted."""
    from subliminal.training.job import unwritable

    directory = planned.folder(config.hydra)
    # A job that has its own `outputs` finds the sweep's folder all the same.
    guard.allow("hydra.sweep.dir")
    with read_write(config.hydra.overrides):
        config.hydra.overrides.hydra.append(f"hydra.sweep.dir={quoted(str(directory))}")
    try:
        planned.keep(checked, directory)
    except OSError as error:
        raise unwritable(config.outputs, error) from error
    if not remote:  # elsewhere another device may be another hash
        seeds: dict[Path, list[int]] = {}
        for one in checked:
            seeds.setdefault(one.job.directory, []).extend(one.job.seeds)
        for job in {one.job.directory: one.job for one in checked}.values():
            job.record(seeds[job.directory])
