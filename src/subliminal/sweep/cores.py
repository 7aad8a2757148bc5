"""What a job may use: all cores and memory that are free, or its share of both among several."""

import math
import os
from functools import cache

from subliminal.errors import UserError
from subliminal.sweep import limits

# Set for the jobs of a sweep by `ShareCores`, or by the user who wants to leave cores to others.
VARIABLE = "SUBLIMINAL_CORES"
_SLURM = ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE")  # set only inside a Slurm allocation
# With one of these the library of threads that torch loads binds the process, and with it every
# worker, to the first core.
_BINDINGS = ("OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY", "KMP_AFFINITY")


def unbind() -> None:
    """Forget what would bind this process and its workers to one core; before torch is imported."""
    for name in _BINDINGS:
        os.environ.pop(name, None)


def granted() -> int:
    """Return the cores of this process: of its affinity mask, quota, Slurm job, share; ≥ 1.

    Raises:
        UserError: `SUBLIMINAL_CORES` is not a whole number ≥ 1.
    """
    if VARIABLE not in os.environ:
        return _all()
    text = os.environ[VARIABLE]
    if not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise UserError(f"{VARIABLE}={text}: a whole number ≥ 1 is needed")
    return min(_all(), int(text))


def memory() -> float:
    """Return the bytes that this process and its workers may take: as its share of the cores is."""
    return _memory_at_first() * granted() / _all()


def _all() -> int:
    """Return the cores that all jobs of this machine share."""
    told = [os.environ.get(name, "") for name in _SLURM]
    slurm = [int(text) for text in told if text.isdecimal()]
    # Of a quota of 1.5 cores two workers get more than one.
    return max(1, math.ceil(min(_unmasked(), limits.processors(), *slurm)))


@cache  # later its own workers, which serve the next job too, have taken some of it
def _memory_at_first() -> float:
    return limits.memory()


def _unmasked() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1
