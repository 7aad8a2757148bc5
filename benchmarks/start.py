"""What a command waits for before its first step, whose memory a sweep takes, what a cell is.

`python benchmarks/start.py`; results go to outputs/bench/start.json.
"""

import contextlib
import cProfile
import io
import os
import pstats
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from hydra.core.global_hydra import GlobalHydra
from measure import PLUGINS, Record, keep, proportional_memory, run, tree
from scale import cells_of

from subliminal.config import terminal

# What a command cannot begin without, each in a new process.
HYDRA, TORCH, WORKERS_IMPORTS = "Python and Hydra", "Python and torch", "all that a worker imports"
STEPS = {
    "Python alone": ["-c", "pass"],
    HYDRA: ["-c", "import hydra"],
    TORCH: ["-c", "import torch"],
    WORKERS_IMPORTS: ["-c", "import subliminal.training.runner"],
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
            servers = command.children()
            below = [worker for server in servers for worker in tree(server)[1:]]
            of: dict[str, list[psutil.Process]] = {
                OF_COMMAND: [command],
                OF_SERVER: servers,
                OF_WORKERS: below,
            }
            found = {who: sum(map(proportional_memory, those)) / 1e9 for who, those in of.items()}
            if sum(found.values()) > sum(peak.values()):
                peak = found
            time.sleep(0.5)
    if command.returncode != 0:
        sys.exit(f"error: {' '.join(words)} failed")
    return peak


# A short cell's functions, the module and name of each: what runs in them, others' included.
COMPOSED, STEPS_OF_CELL = "Hydra composes its job", "… of that, its steps"
FILES_OF_CELL = "… files and checkpoints"
OF_CELL = {
    COMPOSED: ("config_loader_impl.py", "load_sweep_config"),
    "it trains, with all that follows": ("runner.py", "run_stack"),
    STEPS_OF_CELL: ("loop.py", "take_step"),
    FILES_OF_CELL: ("disk.py", "write_atomically"),
    "… the name of its teacher": ("identity.py", "teacher_hash"),
    "tables at the end": ("summary.py", "show"),
}
CELLS = (3, 20)  # conditions, seeds


def cell() -> Record:
    """Return the milliseconds that a short cell spends in functions, in one process, profiled.

    What it imports, and what it asks once of the machine, is there already.
    """
    from subliminal.commands.train import main as entrypoint

    words = ["-m", "engine.workers=1", *cells_of(*CELLS), "tracker=none"]
    os.environ["SUBLIMINAL_PLUGINS"] = ",".join(PLUGINS)
    profiler = cProfile.Profile()
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        sys.argv = ["train", *words, "outputs=first"]  # which imports
        entrypoint()
        GlobalHydra.instance().clear()
        os.environ.pop("HYDRA_FULL_ERROR", None)
        sys.argv = ["train", *words]
        profiler.runcall(entrypoint)
    spent: Record = dict.fromkeys(OF_CELL, 0.0)
    stats: Any = pstats.Stats(profiler)
    for (file, _, function), (_, _, _, inclusive, _) in stats.stats.items():
        for what, (module, name) in OF_CELL.items():
            if function == name and file.endswith(f"/{module}"):
                spent[what] += 1000 * inclusive / (CELLS[0] * CELLS[1])
    return spent


def main() -> None:
    record = {"seconds until": until(3), "peak GB": memory(), "ms of a cell": cell()}
    for what, figures in record.items():
        for name, value in figures.items():
            print(f"{what}, {name}: {value:.2f}")
    keep("start", record, {})


if __name__ == "__main__":
    terminal.settle()
    main()
