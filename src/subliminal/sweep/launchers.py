"""Cores for the jobs of a sweep, by the Hydra launcher that starts them."""

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from subliminal import store
from subliminal.sweep.cores import VARIABLE, granted

OURS = "hydra_plugins.subliminal_sweeper.SubliminalSweeper"
_PLUGINS = "hydra_plugins."
_JOBLIB = f"{_PLUGINS}hydra_joblib_launcher."
_SUBMITIT_LOCAL = f"{_PLUGINS}hydra_submitit_launcher.submitit_launcher.LocalLauncher"
_SUBMITIT_SLURM = f"{_PLUGINS}hydra_submitit_launcher.submitit_launcher.SlurmLauncher"
_RAY = f"{_PLUGINS}hydra_ray_launcher."


def cores_per_job(launcher: DictConfig, jobs: int) -> int:
    """Return the cores for each of `jobs` jobs that a launcher starts on this machine."""
    target = str(launcher._target_)
    free = granted()
    if target.startswith(_RAY):  # Ray itself limits the jobs at once by their CPUs
        return max(1, int((launcher.ray.get("remote") or {}).get("num_cpus") or 1))
    at_once = 1
    if target.startswith(_JOBLIB):  # a negative n_jobs counts from the end
        at_once = launcher.n_jobs if launcher.n_jobs > 0 else free + 1 + launcher.n_jobs
    elif target == _SUBMITIT_LOCAL:  # starts all jobs at once
        at_once = jobs
    return max(1, free // max(1, min(at_once, jobs)))


def is_remote(launcher: DictConfig) -> bool:
    """Return whether a launcher may start jobs on other machines."""
    target = str(launcher._target_)
    return target == _SUBMITIT_SLURM or target.startswith(_RAY)


def share_cores(hydra: DictConfig, jobs: int) -> None:
    """Set the cores of each of `jobs` jobs of a batch in the environment, which jobs inherit."""
    launcher = hydra.launcher
    if not str(launcher._target_).startswith(_PLUGINS):
        return  # the basic launcher: one job at a time, in this process
    if launcher._target_ != _SUBMITIT_SLURM:  # Slurm limits its jobs itself
        os.environ[VARIABLE] = str(cores_per_job(launcher, jobs))
    if "submitit_folder" in launcher:
        folder = str(launcher.submitit_folder).replace("%j", "*")
        print(f"Logs of the jobs: {folder}/*_log.out", file=sys.stderr)


class BeforeSearch(Callback):
    """Hydra callback for sweepers that choose jobs one after another, such as Optuna's."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Set the jobs' cores, and what tells the report of the search."""
        if config.hydra.sweeper._target_ != OURS:
            share_cores(config.hydra, int(config.hydra.sweeper.get("n_jobs", 1)))
        given = config.hydra.sweeper.get("direction")
        if given and not store.misplaced(config.name):  # the report marks what is searched
            each = given if OmegaConf.is_list(given) else [given]
            goals = zip(config.objective, [getattr(one, "name", one) for one in each], strict=False)
            folder = Path(config.outputs, config.name)
            with suppress(OSError):  # an outputs folder that is no folder: the first job says so
                folder.mkdir(parents=True, exist_ok=True)
                store.write_text(folder / store.SEARCH, json.dumps(dict(goals)) + "\n")
