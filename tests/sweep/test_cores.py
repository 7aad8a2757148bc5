"""The cores and the memory that a job may use."""

import math
import os
import subprocess
import sys

import pytest

from subliminal.errors import UserError
from subliminal.sweep import cores, limits


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen cores, and no scheduler."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    monkeypatch.setattr(limits, "processors", lambda: math.inf)
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


@pytest.mark.parametrize(
    ("quota", "granted"), [(0.01, 1), (0.5, 1), (1.0, 1), (1.5, 2), (4.0, 4), (64.0, 16)]
)
def test_a_quota_counts(quota: float, granted: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "processors", lambda: quota)
    assert cores.granted() == granted


def test_a_share_of_the_cores_is_one_of_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    free = iter([8e9, 1e9])  # what its own workers take later is still the job's
    monkeypatch.setattr(limits, "memory", lambda: next(free))
    cores._free_at_start.cache_clear()
    assert cores.memory() == 8e9
    monkeypatch.setenv(cores.VARIABLE, "4")
    assert cores.memory() == 2e9
    cores._free_at_start.cache_clear()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no mask can be read")
def test_torch_leaves_all_cores_to_the_command() -> None:
    code = (
        "from subliminal.sweep.cores import unbind; unbind(); import os; "
        "before = os.sched_getaffinity(0); import torch; assert os.sched_getaffinity(0) == before"
    )
    subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "OMP_PROC_BIND": "true"}, check=True
    )
