"""Real sweeps, killed at random moments until they are through, end as if undisturbed."""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import small

from subliminal import store

TESTS = Path(__file__).parents[1]
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
WORDS = [
    *small.OVERRIDES,
    "distill.epochs=6",
    "distill.inputs.size=3200",
    "mitigation=none,liminal",
    "probe=[alignment,ledger]",
    "seed=0-3",
    "engine.workers=2",
]
RESULTS = ("steps.parquet", "epochs.parquet", "student.safetensors", "config.yaml")


def start(folder: Path) -> subprocess.Popen[bytes]:
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "subliminal.train", "-m", *WORDS],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(TESTS), "SUBLIMINAL_PLUGINS": "small"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def results(folder: Path) -> dict[str, bytes]:
    """All bytes of the finished runs; of the summaries, the results."""
    found: dict[str, bytes] = {}
    for run in store.finished_runs(folder / "outputs" / "main"):
        where = str(run.relative_to(folder))
        found |= {f"{where}/{name}": (run / name).read_bytes() for name in RESULTS}
        found[where] = json.dumps(store.read_summary(run)["results"]).encode()
    return found


@pytest.mark.parametrize("kills", [2, pytest.param(50, marks=pytest.mark.slow)])
def test_a_sweep_killed_at_random_moments_loses_nothing(tmp_path: Path, kills: int) -> None:
    assert start(tmp_path / "whole").wait(timeout=300) == 0
    whole = results(tmp_path / "whole")
    assert len(whole) == 8 * (len(RESULTS) + 1)

    moments = random.Random(kills)  # printed with a failure: the test's own parameter
    done = 0
    for attempt in range(100):
        folder = tmp_path / f"sweep-{attempt}"
        before: dict[str, bytes] = {}
        while done < kills:
            command = start(folder)
            try:
                # Starting takes some 3 of the sweep's 8 seconds: few kills come before training.
                status = command.wait(timeout=moments.uniform(2, 8))
            except subprocess.TimeoutExpired:
                chosen = moments.choice(SIGNALS)
                os.killpg(command.pid, chosen)
                command.wait(timeout=60)
                done += 1
                now = results(folder)  # no marker without its data: reading them all would raise
                assert {name: now[name] for name in before} == before  # what is finished stays
                assert now.items() <= whole.items()
                before = now
            else:
                assert status == 0
                break  # through; another sweep takes the remaining kills
        assert start(folder).wait(timeout=300) == 0
        assert results(folder) == whole
        runs = list(store.finished_runs(folder / "outputs" / "main"))
        assert {path.name for run in runs for path in run.iterdir()} == {*RESULTS, store.MARKER}
        left = [p for p in (folder / "outputs").rglob("*") if p.is_file() and ".lock" not in p.name]
        assert [path for path in left if path.name.startswith(".")] == []
        assert [path for path in left if path.suffix == ".checkpoint"] == []
        if done == kills:
            return
