"""The cores that a job may use: all that are free, or its share where several jobs run at once."""

import os

from subliminal.errors import UserError

# Set for the jobs of a sweep by `ShareCores`, or by the user who wants to leave cores to others.
VARIABLE = "SUBLIMINAL_CORES"
_SLURM = ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE")  # set only inside a Slurm allocation


def granted() -> int:
    """Return the cores of this process: of its affinity mask, its Slurm job, its share; ≥ 1.

    Raises:
        UserError: `SUBLIMINAL_CORES` is not a whole number ≥ 1.
    """
    limits = [_unmasked(), *(int(os.environ[name]) for name in _SLURM if name in os.environ)]
    if VARIABLE in os.environ:
        text = os.environ[VARIABLE]
        if not (text.isascii() and text.isdecimal() and int(text) > 0):
            raise UserError(f"{VARIABLE}={text}: a whole number ≥ 1 is needed")
        limits.append(int(text))
    return max(1, min(limits))


def _unmasked() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1
