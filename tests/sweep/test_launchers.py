"""A job's share of the cores: parallel jobs together never use more than there are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf
from test_cores import machine as machine  # a fixture

from subliminal.sweep import launchers

JOBLIB = "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher"
SUBMITIT = "hydra_plugins.hydra_submitit_launcher.submitit_launcher."
RAY = "hydra_plugins.hydra_ray_launcher.ray_launcher.RayLauncher"


@pytest.mark.parametrize(
    ("launcher", "jobs", "share"),
    [
        ({"_target_": JOBLIB, "n_jobs": -1}, 100, 1),
        ({"_target_": JOBLIB, "n_jobs": -1}, 3, 5),
        ({"_target_": JOBLIB, "n_jobs": -2}, 100, 1),
        ({"_target_": JOBLIB, "n_jobs": 2}, 100, 8),
        ({"_target_": JOBLIB, "n_jobs": 2}, 1, 16),
        ({"_target_": SUBMITIT + "LocalLauncher"}, 6, 2),
        ({"_target_": SUBMITIT + "LocalLauncher"}, 40, 1),
        ({"_target_": SUBMITIT + "SlurmLauncher"}, 40, 16),
        ({"_target_": RAY, "ray": {"remote": {}}}, 40, 1),
        ({"_target_": RAY, "ray": {"remote": {"num_cpus": 4}}}, 40, 4),
    ],
)
def test_the_share_of_a_job(launcher: dict[str, object], jobs: int, share: int) -> None:
    assert launchers.cores_per_job(OmegaConf.create(launcher), jobs) == share


@given(st.integers(-40, 40).filter(bool), st.integers(1, 100))
def test_jobs_of_joblib_never_use_more_cores_than_there_are(n_jobs: int, jobs: int) -> None:
    launcher = OmegaConf.create({"_target_": JOBLIB, "n_jobs": n_jobs})
    at_once = min(jobs, n_jobs if n_jobs > 0 else max(1, 16 + 1 + n_jobs))
    share = launchers.cores_per_job(launcher, jobs)
    assert share >= 1
    assert share * at_once <= max(16, at_once)  # n_jobs above the cores is the user's own choice


@pytest.mark.parametrize(
    ("target", "remote"),
    [
        (JOBLIB, False),
        (SUBMITIT + "LocalLauncher", False),
        (SUBMITIT + "SlurmLauncher", True),
        (RAY, True),
    ],
)
def test_which_launchers_leave_this_machine(target: str, remote: bool) -> None:
    assert launchers.is_remote(OmegaConf.create({"_target_": target})) == remote
