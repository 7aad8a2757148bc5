"""Time and memory of reports on made-up stores of many runs.

`python benchmarks/report_store.py` makes, for each size, a store of runs with 295 steps and 20
metrics in a temporary folder, reports it in a process of its own, and prints wall time, peak
memory and the size of the interactive page.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from subliminal import metrics, store
from subliminal.config import terminal

STEPS, PER_EPOCH = 295, 59
SIZES = {"a sweep": (8, 20), "a large store": (500, 20)}  # conditions, seeds
# Twenty metrics, as the probes of sweeps/paper.yaml log.
NAMES = (
    metrics.DISTILL_LOSS,
    metrics.TRAIN_LOSS,
    metrics.TRAIT_LOSS,
    metrics.ALIGNMENT,
    metrics.ALIGNMENT_DOT,
    metrics.ALIGNMENT_APPLIED,
    metrics.DISTILL_NORM,
    metrics.TRAIT_NORM,
    metrics.ALIGNMENT_NULL,
    metrics.UPDATE_ALIGNMENT,
    metrics.LEDGER_PREDICTED,
    metrics.LEDGER_ACTUAL,
    metrics.total(metrics.LEDGER_PREDICTED),
    metrics.total(metrics.LEDGER_ACTUAL),
    metrics.LEDGER_DISTILL,
    metrics.LEDGER_PENALTY,
    metrics.DISPLACEMENT,
    metrics.DISPLACEMENT_RATIO,
)


def write_store(experiment: Path, conditions: int, seeds: int) -> None:
    """Write a sweep over the peak of a KL penalty: its weakest condition is `none`."""
    for number in range(conditions):
        peak = number / 10
        penalty = {"_target_": "subliminal.mitigations.liminal.Liminal", "peak": peak}
        config = {"mitigation": {"liminal": penalty} if number else {}}
        name = f"mitigation.liminal.peak={peak}" if number else "mitigation=none"
        folder = experiment / f"{name}-{number:08x}"
        folder.mkdir(parents=True)
        store.record_condition(folder, name, range(seeds), config)
        for seed in range(seeds):
            write_run(store.run_dir(folder, seed), name, seed, 0.5 / (1 + peak))


def write_run(directory: Path, name: str, seed: int, level: float) -> None:
    """Write one run's files; its accuracy ends near `level`."""
    directory.mkdir()
    draw = np.random.default_rng(seed)
    steps = np.arange(STEPS + 1)
    values = {metric: draw.normal(0.01 * level, 0.01, len(steps)) for metric in NAMES}
    table = pl.DataFrame({"seed": seed, "step": steps, "epoch": steps / PER_EPOCH, **values})
    table.write_parquet(directory / "steps.parquet")
    epochs = np.arange(STEPS // PER_EPOCH + 1)
    accuracy = 0.1 + level * epochs / epochs[-1] * draw.uniform(0.8, 1.2)
    student = {metric: draw.normal(0.01 * level, 0.001, len(epochs)) for metric in NAMES}
    rows = {"seed": seed, "epoch": epochs, "step": epochs * PER_EPOCH}
    pl.concat(
        [
            pl.DataFrame({**rows, "phase": "teacher", metrics.TEACHER_ACCURACY: 0.94}),
            pl.DataFrame({**rows, "phase": "student", metrics.TRAIT_ACCURACY: accuracy, **student}),
        ],
        how="diagonal",
    ).write_parquet(directory / "epochs.parquet")
    summary = {
        "seed": seed,
        "condition": name,
        "device": "cpu",
        "threads": 1,
        "stack": 1,
        "seconds": {"student": 20.0},
        "environment": {
            "processor": "made up",
            "packages": {"torch": "0"},
            "git_commit": "0",
        },
    }
    (directory / store.MARKER).write_text(json.dumps(summary))


def measure(experiment: Path, *options: str) -> tuple[float, float]:
    """Return seconds and peak GB of a report in a process of its own."""
    command = [sys.executable, "-m", "subliminal.report", str(experiment), *options]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if status:
        raise SystemExit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    unit = 1 if sys.platform == "darwin" else 1024
    return seconds, usage.ru_maxrss * unit / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=SIZES, action="append", help="by default both")
    for size in parser.parse_args().size or SIZES:
        conditions, seeds = SIZES[size]
        with tempfile.TemporaryDirectory() as folder:
            experiment = Path(folder) / "store"
            write_store(experiment, conditions, seeds)
            text = measure(experiment, "--text")
            whole = measure(experiment)
            page = (experiment / "report" / "index.html").stat().st_size / 1e6
        print(
            f"{size}, {conditions} conditions × {seeds} seeds: --text {text[0]:.1f} s, "
            f"{text[1]:.2f} GB; all {whole[0]:.1f} s, {whole[1]:.2f} GB, page {page:.1f} MB"
        )


if __name__ == "__main__":
    terminal.settle()
    main()
