"""Cores and memory of a job: all that is free, or its share where several jobs run at once."""

import math
import os
from functools import cache

from subliminal.errors import UserError
from subliminal.sweep import limits

# Cores of this process: set for the jobs of a sweep by `share_cores`, or by the user.
VARIABLE = "SUBLIMINAL_CORES"
_SLURM = ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE")  # set only inside a Slurm allocation
# With one of these, OpenMP, which torch loads, binds the process and its workers to one core.
_BINDINGS = ("OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY", "KMP_AFFINITY")


def unbind() -> None:
    """Remove the environment variables that bind processes to cores; call before torch's import."""
    for name in _BINDINGS:
        os.environ.pop(name, None)


def granted() -> int:
    """Return the number of cores, ≥ 1: the least of affinity mask, quota, Slurm job and share.

    Raises:
        UserError: `SUBLIMINAL_CORES` is not a whole number ≥ 1.
    """
    if VARIABLE not in os.environ:
        return _shared_cores()
    text = os.environ[VARIABLE]
    if not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise UserError(f"{VARIABLE}={text}: a whole number ≥ 1 is needed")
    return min(_shared_cores(), int(text))


def memory() -> float:
    """Return the bytes for this process and its workers: the same share as of the cores."""
    return _free_at_start() * granted() / _shared_cores()


def _shared_cores() -> int:
    """Return the cores that all jobs on this machine share."""
    texts = [os.environ.get(name, "") for name in _SLURM]
    slurm = [int(text) for text in texts if text.isdecimal()]
    on_linux = hasattr(os, "sched_getaffinity")
    affinity = len(os.sched_getaffinity(0)) if on_linux else os.cpu_count() or 1
    # Rounded up: two workers use a quota of 1.5 cores better than one.
    return max(1, math.ceil(min(affinity, limits.processors(), *slurm)))


@cache  # workers of an earlier job, which serve the next one too, use some of it later
def _free_at_start() -> float:
    return limits.memory()
