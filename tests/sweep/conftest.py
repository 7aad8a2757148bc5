"""A machine of sixteen cores, without a scheduler."""

import math
import os

import pytest

from subliminal.sweep import cores, limits


@pytest.fixture
def sixteen_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen cores, and no scheduler."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    monkeypatch.setattr(limits, "processors", lambda: math.inf)
    for name in (cores.VARIABLE, "SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"):
        monkeypatch.delenv(name, raising=False)
