"""What benchmarks share: the machine's matrix rate, timed commands, records and their history."""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from subliminal import store
from subliminal.config import terminal
from subliminal.store.provenance import environment

HERE = Path(__file__).resolve().parent
PLUGINS = ("subset", "alignment_error")  # modules of this folder that configs may name
RECORDS = Path("outputs/bench")
IMAGES, EPOCHS = 60_000, 5
LAYERS = ((784, 256), (256, 256), (256, 13))  # the reference model's
LOOKED = 0.02  # seconds between two looks at a running command …
COUNTED, WEIGHED = 0.2, 1.0  # … at its processor time, and at its memory, which takes long to see

Record = dict[str, Any]


def flops_per_pass() -> int:
    """Forward, weight gradients, and input gradients of all layers but the first: 2 FLOPs each."""
    weights = sum(fan_in * fan_out for fan_in, fan_out in LAYERS)
    first = LAYERS[0][0] * LAYERS[0][1]
    return IMAGES * (6 * weights - 2 * first)


def matrix_rate(seconds: float = 2.0, precision: str = "highest") -> float:
    """Return the rate of (1024×784)·(784×256) in fp32 of all cores at once, in GFLOP/s.

    A process for each core, as in a sweep: cores that share units are no faster than they are.
    With precision="medium" the factors may be rounded to bf16.
    """
    command = [sys.executable, str(HERE / "measure.py"), str(seconds), precision]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(cores())]
    return sum(float(process.communicate()[0]) for process in processes)


def rate_of_one(seconds: float, precision: str) -> float:
    """Return this process's rate, with one thread: that of a tenth of the products is higher.

    On a machine that others use too the median would be slow, and the floor too high.
    """
    torch.set_num_threads(1)
    torch.set_float32_matmul_precision(precision)
    a, b = torch.randn(1024, 784), torch.randn(784, 256)
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        started = time.perf_counter()
        torch.mm(a, b)
        times.append(time.perf_counter() - started)
    return 2 * 1024 * 784 * 256 / float(np.quantile(times, 0.1)) / 1e9


def cores() -> int:
    """Return the number of cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1


@dataclass(frozen=True)
class Timed:
    """What some commands took that ran side by side."""

    seconds: float  # until the last one ended
    core_seconds: float  # of processor time, of all their processes together
    peak: float  # GB, of all their processes together
    first_step: float | None  # seconds until the first training starts, as its files show
    runs: list[Path]  # that they finished, by path; gone with their folder
    summaries: list[Record]  # of these runs
    finished: list[float]  # when each of these was finished, seconds after the start


def run(folder: Path, *commands: list[str], threads: int | None = None) -> Timed:
    """Run Python with each list of arguments at once, in a folder, and wait for all.

    Args:
        folder: an empty one.
        commands: arguments of the interpreter.
        threads: of torch, where the command does not set them itself.

    Raises:
        SystemExit: a command failed; its output is shown.
    """
    variables = {**os.environ, "WANDB_MODE": "offline", "SUBLIMINAL_PLUGINS": ",".join(PLUGINS)}
    paths = [str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
    variables["PYTHONPATH"] = os.pathsep.join(paths)
    if threads is not None:
        variables["OMP_NUM_THREADS"] = str(threads)
    log = folder / "log"
    began, started = time.time(), time.perf_counter()
    with log.open("w") as output:
        processes = [
            psutil.Popen(
                [sys.executable, *command],
                cwd=folder,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=variables,
            )
            for command in commands
        ]
        peak, core_seconds, first_step = _watch(processes, folder, started)
        seconds = time.perf_counter() - started
    for process, command in zip(processes, commands, strict=True):
        if process.returncode != 0:
            sys.exit(f"error: {' '.join(command)} failed:\n{log.read_text()}")
    runs = sorted(run for top in folder.glob("outputs/*") for run in store.finished_runs(top))
    summaries = [store.read_summary(run) for run in runs]
    finished = [(run / store.MARKER).stat().st_mtime - began for run in runs]
    return Timed(seconds, core_seconds, peak / 1e9, first_step, runs, summaries, finished)


def train(*overrides: str) -> Timed:
    """Run one sweep of the entrypoint in a folder of its own, which is removed."""
    with tempfile.TemporaryDirectory(prefix="bench") as folder:
        return run(Path(folder), ["-m", "subliminal.train", "-m", *overrides])


def _watch(
    processes: list[psutil.Popen], folder: Path, started: float
) -> tuple[float, float, float | None]:
    """Wait; return peak memory (bytes), core seconds, and when the first training started (s).

    That is when its first checkpoint is there, or, where a teacher is done between two looks (its
    checkpoint goes then), the teacher. Core seconds lack what a process used after the last look.
    """
    peak, weighed, counted, first = 0.0, -WEIGHED, -COUNTED, None
    used: dict[psutil.Process, float] = {}
    running = True
    while running:  # one more look after the end: nothing is missed
        running = any([process.poll() is None for process in processes])  # noqa: C419  # polls all
        now = time.perf_counter() - started
        if first is None and any(map(_of_training, folder.glob("outputs/teachers/*"))):
            first = now
        if now - counted > COUNTED:
            counted = now
            there = [one for process in processes for one in tree(process)]
            used |= {one: max(used.get(one, 0.0), _core_seconds(one)) for one in there}
            if now - weighed > WEIGHED:
                weighed = now
                peak = max(peak, sum(map(proportional_memory, there)))
        if running:
            time.sleep(LOOKED)
    return peak, sum(used.values()), first


def _of_training(path: Path) -> bool:
    return path.suffix in {".checkpoint", ".safetensors"}


def tree(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _core_seconds(process: psutil.Process) -> float:
    """Return the processor time that the process itself has used so far."""
    try:
        times = process.cpu_times()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0.0
    return float(times.user + times.system)


def proportional_memory(process: psutil.Process) -> float:
    """Return the process's memory, with pages shared by k processes counted as 1/k (Linux)."""
    try:
        return float(process.memory_full_info().pss)
    except (psutil.NoSuchProcess, psutil.AccessDenied, AttributeError):
        return 0.0


def keep(name: str, record: Record, figures: dict[str, float]) -> list[str]:
    """Write a benchmark's record to outputs/bench/NAME.json, its figures to the history.

    Args:
        name: of the benchmark.
        record: plain JSON.
        figures: those to compare with the last run of the same name on this processor.

    Returns:
        A line for each figure that both runs have: how it changed.
    """
    RECORDS.mkdir(parents=True, exist_ok=True)
    made = environment()
    now = datetime.now(UTC).isoformat(timespec="seconds")
    store.write_text(
        RECORDS / f"{name}.json",
        json.dumps({"made": now, **record, "environment": made}, indent=2) + "\n",
    )
    entry = {
        "benchmark": name,
        "made": now,
        "processor": made["processor"],
        "commit": made["git_commit"],
        "figures": figures,
    }
    history = RECORDS / "history.jsonl"
    last: dict[str, float] = {}
    if history.is_file():
        for line in history.read_text().splitlines():
            earlier = json.loads(line)
            if all(earlier[key] == entry[key] for key in ("benchmark", "processor")):
                last = earlier["figures"]
    with history.open("a") as file:
        file.write(json.dumps(entry) + "\n")
    return [
        f"{figure}: {value:.3g}, {value / last[figure] - 1:+.0%} against the last run"
        for figure, value in figures.items()
        if last.get(figure)
    ]


if __name__ == "__main__":
    terminal.settle()
    print(rate_of_one(float(sys.argv[1]), sys.argv[2]))
