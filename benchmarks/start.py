"""What a command waits for before its first step, and whose memory a sweep takes.

`python benchmarks/start.py`; results go to outputs/bench/start.json.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import psutil
from measure import Record, keep, run

# What a command cannot begin without, each in a new process.
STEPS = {
    "Python alone": ["-c", "pass"],
    "… and Hydra": ["-c", "import hydra"],
    "… and torch": ["-c", "import torch"],
    "all that a worker imports": ["-c", "import subliminal.training.runner"],
    "`--cfg job`: Hydra, and a config composed": ["-m", "subliminal.train", "--cfg", "job"],
}
TWO = ("seed=0-1", "engine.workers=2", "tracker=none", "teacher.epochs=1")
OF_COMMAND, OF_SERVER, OF_WORKERS = "the command", "the server of forks", "two workers"


def until(repeats: int) -> Record:
    """Return the seconds of each step: the median of some repeats."""
    with tempfile.TemporaryDirectory(prefix="bench") as name:
        return {
            what: median(run(Path(name), words).seconds for _ in range(repeats))
            for what, words in STEPS.items()
        }


def memory() -> Record:
    """Return the memory of a sweep's processes at its peak, in GB, shared pages in equal parts."""
    with tempfile.TemporaryDirectory(prefix="bench") as folder:
        words = [sys.executable, "-m", "subliminal.train", "-m", *TWO]
        command = psutil.Popen(
            words, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        peak: Record = {}
        while command.poll() is None:
            found = {OF_COMMAND: _of(command)}
            servers = command.children()
            found[OF_SERVER] = sum(map(_of, servers))
            found[OF_WORKERS] = sum(_of(worker) for server in servers for worker in _below(server))
            if sum(found.values()) > sum(peak.values()):
                peak = found
            time.sleep(0.5)
    if command.returncode != 0:
        sys.exit(f"error: {' '.join(words)} failed")
    return peak


def _below(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _of(process: psutil.Process) -> float:
    try:
        return float(process.memory_full_info().pss) / 1e9
    except (psutil.NoSuchProcess, psutil.AccessDenied, AttributeError):
        return 0.0


def main() -> None:
    record = {"seconds until": until(3), "peak GB": memory()}
    for what, figures in record.items():
        for name, value in figures.items():
            print(f"{what}, {name}: {value:.2f}")
    keep("start", record, {})


if __name__ == "__main__":
    main()
