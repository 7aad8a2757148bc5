"""Machines that give less than all: sweeps run to their end there, to the same bits."""

import os
import subprocess
import time

import psutil
import pytest
from fault_injection import Disturbed, Tried, processor_quota

pytestmark = pytest.mark.slow


def run(sweep: Disturbed) -> tuple[set[tuple[int, ...]], str]:
    """Run a sweep to its end; return the cores that its workers had, and what it told."""
    seen: dict[int, tuple[int, ...]] = {}
    command = sweep.start()
    while command.poll() is None:
        try:
            for worker in psutil.Process(command.pid).children(recursive=True):
                if worker.parent() != psutil.Process(command.pid):  # but of the server of forks
                    seen[worker.pid] = tuple(worker.cpu_affinity())
        except (psutil.Error, AttributeError):
            pass
        time.sleep(0.05)
    assert command.returncode == 0, sweep.stderr()
    told = sweep.stderr()
    assert "Traceback" not in told
    sweep.look()
    assert len(sweep.seen) == len(sweep.whole.results)
    sweep.repair()
    return set(seen.values()), told


def test_a_temporary_folder_too_deep_for_sockets(sweep: Disturbed, tried: Tried) -> None:
    deep = sweep.folder / ("deep" * 25)
    deep.mkdir(parents=True)
    sweep.extra = {"TMPDIR": str(deep)}
    tried("long TMPDIR")
    cores, told = run(sweep)
    assert cores == set()
    assert told.count("this process trains alone") == 1


def test_no_shared_memory(sweep: Disturbed, tried: Tried) -> None:
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
        pytest.skip("no mounts of its own are permitted here")
    read_only = 'mount -t tmpfs -o ro tmpfs /dev/shm && exec "$@"'
    sweep.within = ("unshare", "--mount", "sh", "-c", read_only, "sh")
    tried("read-only /dev/shm")
    cores, _ = run(sweep)
    assert cores != set()


@pytest.mark.parametrize(
    "binding", [{"OMP_PROC_BIND": "true"}, {"GOMP_CPU_AFFINITY": "0-99"}, {"OMP_PLACES": "{0}"}]
)
def test_threads_bound_to_cores(sweep: Disturbed, tried: Tried, binding: dict[str, str]) -> None:
    sweep.extra = binding
    tried("threads bound to cores")
    cores, _ = run(sweep)
    if hasattr(os, "sched_getaffinity"):
        assert cores == {tuple(sorted(os.sched_getaffinity(0)))}


def test_half_a_processor(sweep: Disturbed, tried: Tried) -> None:
    with processor_quota(0.5) as within:
        sweep.within, sweep.words = within, ("engine.workers=null",)
        tried("quota of half a processor")
        cores, _ = run(sweep)
        assert cores == set()
