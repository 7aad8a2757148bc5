"""One small sweep by the real command line, under any launcher, and its numbers."""

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import small

from subliminal import store

TESTS = Path(__file__).parent
JOBS = ["seed=0-1,7", "mitigation=none,liminal"]  # four jobs, six runs
RUNS = 6
SAME = ("student.safetensors", "steps.parquet", "epochs.parquet")


def command(outputs: Path, *overrides: str) -> list[str]:
    """Return the sweep's command line; later overrides win."""
    fixed = [*small.OVERRIDES, f"outputs={outputs}", *JOBS]
    given = {override.partition("=")[0] for override in overrides}
    kept = [override for override in fixed if override.partition("=")[0] not in given]
    return [sys.executable, "-m", "subliminal.train", "-m", *kept, *overrides]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment in which jobs, too, find the small data set."""
    return {**os.environ, "PYTHONPATH": str(TESTS), "SUBLIMINAL_PLUGINS": "small", **(extra or {})}


def run(
    outputs: Path, *overrides: str, extra: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the sweep from the folder above its outputs."""
    outputs.parent.mkdir(parents=True, exist_ok=True)
    return subprocess.run(
        command(outputs, *overrides),
        cwd=outputs.parent,
        env=environment(extra),
        capture_output=True,
        text=True,
        check=False,
    )


def end_all(commands: "Iterable[subprocess.Popen[Any]]") -> None:
    """End what a test that failed left running, each command with its process group."""
    for command in commands:
        if command.poll() is None:
            os.killpg(command.pid, signal.SIGKILL)
        command.communicate()


def results(outputs: Path) -> dict[str, dict[str, str]]:
    """Return the digests of each finished run's numbers, by condition and seed."""
    return {
        f"{run.parent.name}/{run.name}": {
            name: hashlib.sha256((run / name).read_bytes()).hexdigest() for name in SAME
        }
        for run in store.finished_runs(outputs / "main")
    }
