"""Run one small sweep under every launcher that is installed; write what came of it to a page.

`make launchers` replaces
the table between the page's marks. The seconds hold start-up above all: the sweep itself is small.
"""

import os
import platform
import re
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import same_sweep
from one_node_slurm import missing, one_node_slurm

from subliminal.config import terminal

BEGIN, END = "<!-- launchers: begin -->", "<!-- launchers: end -->"


@dataclass(frozen=True)
class Case:
    """A launcher or sweeper: its packages, its overrides, and what must be there besides."""

    name: str
    packages: tuple[str, ...]
    overrides: tuple[str, ...]
    obstacle: Callable[[], str | None] = lambda: None
    runs: int = same_sweep.RUNS
    variables: dict[str, str] = field(default_factory=dict)


CASES = [
    Case("`hydra/launcher=basic`", ("hydra-core",), ()),
    Case(
        "`hydra/launcher=joblib`",
        ("hydra-joblib-launcher", "joblib"),
        ("hydra/launcher=joblib",),
    ),
    Case(
        "`hydra/launcher=submitit_local`",
        ("hydra-submitit-launcher", "submitit"),
        ("hydra/launcher=submitit_local",),
    ),
    Case(
        "`hydra/launcher=slurm_cpu`, one node",
        ("hydra-submitit-launcher", "submitit"),
        (
            "hydra/launcher=slurm_cpu",
            "hydra.launcher.cpus_per_task=1",
            "hydra.launcher.mem_gb=null",
        ),
        missing,
    ),
    Case(
        "`hydra/launcher=ray`, two workers",
        ("hydra-ray-launcher", "ray"),
        ("hydra/launcher=ray", "+hydra.launcher.ray.init.num_cpus=2"),
        variables={"RAY_AUTH_MODE": "disabled"},
    ),
    Case(
        "`hydra/sweeper=optuna`, 4 trials",
        ("hydra-optuna-sweeper", "optuna"),
        (
            *("sweep=frontier", "name=main", "mitigation=liminal"),
            *("seed=0-1", "hydra.sweeper.n_trials=4"),
        ),
        runs=8,
    ),
]


def try_out(case: Case, folder: Path, expected: dict[str, dict[str, str]]) -> tuple[str, str]:
    """Return the outcome of a case, and its seconds."""
    for package in case.packages:
        try:
            version(package)
        except PackageNotFoundError:
            return f"not tried: {package} is not installed", "–"
    if reason := case.obstacle():
        return f"not tried: {reason}", "–"
    with ExitStack() as stack:
        extra = dict(case.variables)
        if case.obstacle is missing:
            extra |= stack.enter_context(one_node_slurm(folder / "slurm"))
        started = time.perf_counter()
        done = same_sweep.run(folder / "outputs", *case.overrides, extra=extra)
        seconds = f"{time.perf_counter() - started:.1f}"
    if done.returncode != 0:
        return f"fails: {done.stderr.strip().splitlines()[-1]}", seconds
    runs = same_sweep.results(folder / "outputs")
    if len(runs) != case.runs:
        return f"fails: {len(runs)} of {case.runs} runs are finished", seconds
    known = {name: digests for name, digests in runs.items() if name in expected}
    if known and known != {name: expected[name] for name in known}:
        return "fails: other numbers than the basic launcher's", seconds
    return f"{len(runs)} runs finished" + (", the same bits" if known else ""), seconds


def main() -> None:
    """Try all cases and replace the page's table."""
    page = Path(sys.argv[1])
    rows = []
    expected: dict[str, dict[str, str]] = {}
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            outcome, seconds = try_out(case, Path(folder), expected)
            expected = expected or same_sweep.results(Path(folder) / "outputs")
        versions = []
        for package in case.packages:
            try:
                versions.append(f"{package} {version(package)}")
            except PackageNotFoundError:
                versions.append(package)
        rows.append(f"| {case.name} | {', '.join(versions)} | {outcome} | {seconds} |")
        print(rows[-1], flush=True)
    where = f"Python {platform.python_version()}, hydra-core {version('hydra-core')}, "
    where += f"torch {version('torch')}, {os.cpu_count()} cores; wall time, start-up included."
    head = "| launcher or sweeper | versions | result | seconds |\n| --- | --- | --- | --- |"
    table = "\n".join([BEGIN, where, "", head, *rows, END])
    text = page.read_text(encoding="utf-8")
    replaced = re.sub(f"{BEGIN}.*{END}", lambda _: table, text, flags=re.DOTALL)
    page.write_text(replaced, encoding="utf-8")


if __name__ == "__main__":
    terminal.settle()
    main()
