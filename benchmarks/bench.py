"""Time and memory of a sweep against the machine's own matrix rate: `make bench`.

One run prints: the matrix rate, the FLOP floor of teacher + student + alignment probe, the wall
time per seed over that floor (start-up, data, evaluation, files and tracking included), what
tracking adds, and the peak memory of all processes. Repeats alternate, so that a drifting machine
slows both sides alike. Results go to outputs/bench/latest.json and are appended to history.jsonl.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import torch
from rich.console import Console
from rich.table import Table

from subliminal.provenance import environment

IMAGES, EPOCHS = 60_000, 5
LAYERS = ((784, 256), (256, 256), (256, 13))
PASSES = 3 * EPOCHS  # teacher, student, probe


def flops_per_pass() -> int:
    """Forward, weight gradients, and input gradients of all layers but the first: 2 FLOPs each."""
    weights = sum(fan_in * fan_out for fan_in, fan_out in LAYERS)
    first = LAYERS[0][0] * LAYERS[0][1]
    return IMAGES * (6 * weights - 2 * first)


def matrix_rate(seconds: float = 2.0) -> float:
    """Return the median rate of (1024×784)·(784×256) in fp32 on all cores, in GFLOP/s."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    a, b = torch.randn(1024, 784), torch.randn(784, 256)
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        started = time.perf_counter()
        torch.mm(a, b)
        times.append(time.perf_counter() - started)
    return 2 * 1024 * 784 * 256 / median(times) / 1e9


def timed_run(overrides: list[str]) -> tuple[float, float]:
    """Run one job in a new folder; return wall time (s) and peak memory of its processes (GB)."""
    folder = Path(tempfile.mkdtemp(prefix="bench"))
    command = [sys.executable, "-m", "subliminal.train", "-m", *overrides]
    started = time.perf_counter()
    with (folder / "log").open("w") as log:
        process = psutil.Popen(
            command,
            cwd=folder,
            stdout=log,
            stderr=log,
            env={**os.environ, "WANDB_MODE": "offline"},
        )
        peak = 0.0
        while process.poll() is None:
            peak = max(peak, sum(map(_proportional_memory, _tree(process))))
            time.sleep(0.2)
    wall = time.perf_counter() - started
    if process.returncode != 0:
        sys.exit(f"error: {' '.join(command)} failed:\n{(folder / 'log').read_text()}")
    shutil.rmtree(folder)
    return wall, peak / 1e9


def _tree(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _proportional_memory(process: psutil.Process) -> float:
    """Return the process's memory, with pages shared by k processes counted as 1/k (Linux)."""
    try:
        return float(process.memory_full_info().pss)
    except (psutil.NoSuchProcess, psutil.AccessDenied, AttributeError):
        return 0.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks/bench.py", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="seeds of the job (20)")
    parser.add_argument("--repeats", type=int, default=1, help="alternating repeats (1)")
    parser.add_argument("--mitigation", default="none", help="mitigation (none)")
    arguments = parser.parse_args()

    job = [f"seed=0-{arguments.seeds - 1}", f"mitigation={arguments.mitigation}"]
    rates = [matrix_rate()]
    plain: list[float] = []
    tracked: list[float] = []
    peaks: list[float] = []
    for _ in range(arguments.repeats):
        for times, tracker in ((plain, "none"), (tracked, "wandb")):
            wall, peak = timed_run([*job, f"tracker={tracker}"])
            times.append(wall)
            peaks.append(peak)
            rates.append(matrix_rate())

    rate = median(rates)
    floor = PASSES * flops_per_pass() / rate / 1e9
    per_seed = median(tracked) / arguments.seeds
    overhead = median(b / a for a, b in zip(plain, tracked, strict=True)) - 1
    figures: dict[str, Any] = {
        "matrix rate, GFLOP/s": round(rate, 1),
        "matrix rate, min-max": f"{min(rates):.0f}-{max(rates):.0f}",
        "GFLOP per seed (15 passes)": round(PASSES * flops_per_pass() / 1e9, 1),
        "floor, s per seed": round(floor, 2),
        "ours with W&B, s per seed": round(per_seed, 2),
        "ours over floor": round(per_seed / floor, 2),
        "wall time of the job, s": round(median(tracked), 1),
        "W&B adds": f"{overhead:+.1%}",
        "peak memory, GB": round(max(peaks), 2),
    }
    title = f"{arguments.seeds} seeds, mitigation={arguments.mitigation}, probe at every step"
    table = Table("figure", "value", title=title, title_justify="left")
    for name, value in figures.items():
        table.add_row(name, str(value))
    Console(width=None if sys.stdout.isatty() else 80).print(table)

    record = {"setting": title, "repeats": arguments.repeats, **figures, **environment()}
    folder = Path("outputs/bench")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "latest.json").write_text(json.dumps(record, indent=2) + "\n")
    with (folder / "history.jsonl").open("a") as history:
        history.write(json.dumps(record) + "\n")


if __name__ == "__main__":
    main()
