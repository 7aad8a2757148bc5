"""The cores that a job may use."""

import os

import pytest

from subliminal.errors import UserError
from subliminal.sweep import cores

JOBLIB = "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher"
SUBMITIT = "hydra_plugins.hydra_submitit_launcher.submitit_launcher."
RAY = "hydra_plugins.hydra_ray_launcher.ray_launcher.RayLauncher"


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen cores, and no scheduler."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    for name in (cores.VARIABLE, "SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("variables", "granted"),
    [
        ({}, 16),
        ({"SUBLIMINAL_CORES": "3"}, 3),
        ({"SUBLIMINAL_CORES": "64"}, 16),
        ({"SLURM_CPUS_ON_NODE": "8"}, 8),
        ({"SLURM_CPUS_ON_NODE": "8", "SLURM_CPUS_PER_TASK": "4"}, 4),
        ({"SLURM_CPUS_ON_NODE": "8", "SUBLIMINAL_CORES": "2"}, 2),
    ],
)
def test_the_tightest_limit_counts(
    variables: dict[str, str], granted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cores.granted() == granted


@pytest.mark.parametrize("text", ["", "0", "-1", "two", "1.5", "²"])
def test_a_share_that_is_no_number_of_cores_is_refused(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(cores.VARIABLE, text)
    with pytest.raises(UserError, match="a whole number ≥ 1 is needed"):
        cores.granted()
