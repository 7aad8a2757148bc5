"""Hydra's launchers: how many of a sweep's jobs they start at once, where, with which cores."""

import os
import sys
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from subliminal.sweep import planned
from subliminal.sweep.cores import VARIABLE, granted

OURS = "hydra_plugins.subliminal_sweeper.SubliminalSweeper"
_PLUGINS = "hydra_plugins."
_JOBLIB = f"{_PLUGINS}hydra_joblib_launcher."
_SUBMITIT_LOCAL = f"{_PLUGINS}hydra_submitit_launcher.submitit_launcher.LocalLauncher"
_SUBMITIT_SLURM = f"{_PLUGINS}hydra_submitit_launcher.submitit_launcher.SlurmLauncher"
_RAY = f"{_PLUGINS}hydra_ray_launcher."


def share(launcher: DictConfig, jobs: int) -> int:
    """Return the cores for each job of a launcher that starts `jobs` jobs on this machine."""
    target = str(launcher._target_)
    free = granted()
    if target.startswith(_RAY):  # Ray starts as many jobs as there are this many CPUs for
        return max(1, int((launcher.ray.get("remote") or {}).get("num_cpus") or 1))
    at_once = 1
    if target.startswith(_JOBLIB):  # joblib counts from the end when n_jobs is negative
        at_once = launcher.n_jobs if launcher.n_jobs > 0 else free + 1 + launcher.n_jobs
    elif target == _SUBMITIT_LOCAL:  # it starts them all
        at_once = jobs
    return max(1, free // max(1, min(at_once, jobs)))


def elsewhere(launcher: DictConfig) -> bool:
    """Tell whether a launcher's jobs may run on other machines than this one."""
    target = str(launcher._target_)
    return target == _SUBMITIT_SLURM or target.startswith(_RAY)


def share_cores(hydra: DictConfig, jobs: int) -> None:
    """Set the share of cores in the environment, which launchers hand on to their jobs.

    Args:
        hydra: Hydra's node of the sweep's config.
        jobs: that the launcher starts in one batch.
    """
    launcher = hydra.launcher
    if not str(launcher._target_).startswith(_PLUGINS):
        return  # the basic launcher: one job at a time, in this process
    if launcher._target_ != _SUBMITIT_SLURM:  # Slurm sets its jobs' share itself
        os.environ[VARIABLE] = str(share(launcher, jobs))
    if "submitit_folder" in launcher:
        folder = str(launcher.submitit_folder).replace("%j", "*")
        print(f"Logs of the jobs: {folder}/*_log.out", file=sys.stderr)


class BeforeSearch(Callback):
    """A Hydra callback for sweepers that choose their jobs as they go, such as Optuna's."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Set the jobs' share of cores, and the digest by which they see changed config files."""
        os.environ.pop(planned.VARIABLE, None)
        if config.hydra.sweeper._target_ != OURS:
            os.environ[planned.VARIABLE] = planned.digest(config.hydra)
            share_cores(config.hydra, int(config.hydra.sweeper.get("n_jobs", 1)))
