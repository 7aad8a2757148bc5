"""Hydra's launchers: how many of a sweep's jobs they start at once, where, with which cores."""

import os
import sys
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from subliminal.sweep.cores import VARIABLE, granted
from subliminal.sweep.plan import grid

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


class ShareCores(Callback):
    """A Hydra callback: tells a launcher's jobs their share of cores, the user their logs."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Set the share in the environment, which the launchers hand on to their jobs."""
        hydra = config.hydra
        launcher = hydra.launcher
        if not str(launcher._target_).startswith(_PLUGINS):
            return  # the basic launcher: one job at a time, in this process
        jobs = grid(config)
        # A search starts its jobs in batches.
        number = int(hydra.sweeper.get("n_jobs", 1)) if jobs is None else len(jobs)
        if launcher._target_ != _SUBMITIT_SLURM:  # Slurm tells its jobs itself
            os.environ[VARIABLE] = str(share(launcher, number))
        if "submitit_folder" in launcher:
            folder = str(launcher.submitit_folder).replace("%j", "*")
            print(f"Logs of the jobs: {folder}/*_log.out", file=sys.stderr)
