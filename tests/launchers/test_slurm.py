"""A real Slurm of one node: jobs that are pre-empted or run out of time resume to the same bits."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import polars as pl
import pytest
import same_sweep
from one_node_slurm import missing, one_node_slurm, slurm

pytestmark = pytest.mark.slow

LONG = ["distill.epochs=400", "seed=0-1", "engine.threads=1"]  # half a minute or so
SLURM = ["hydra/launcher=slurm_cpu", "hydra.launcher.cpus_per_task=1", "hydra.launcher.mem_gb=null"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    reason = missing()
    if reason:
        pytest.skip(reason)
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    with one_node_slurm(tmp_path_factory.mktemp("slurm")) as environment:
        yield environment


def epochs_done(outputs: Path) -> dict[str, int]:
    """The epochs in the tables of each condition's first seed, as far as they are written."""
    done = {}
    for table in outputs.glob("main/*/seed-0000/epochs.parquet"):
        # The bytes first: polars opens a file twice, and it may be replaced in between.
        frame = pl.read_parquet(BytesIO(table.read_bytes())).filter(pl.col("phase") == "student")
        done[table.parents[1].name] = len(frame) - 1
    return done


@contextmanager
def under_way(outputs: Path, cluster: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Start the long sweep of two jobs; yield when both are in the middle of their first seed."""
    with subprocess.Popen(
        same_sweep.command(outputs, *LONG, *SLURM),
        cwd=outputs.parent,
        env=same_sweep.environment(cluster),
        stderr=subprocess.PIPE,
        text=True,
    ) as sweep:
        try:
            deadline = time.monotonic() + 300
            while len(done := epochs_done(outputs)) < 2 or min(done.values()) < 20:
                assert sweep.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.2)
            assert max(done.values()) < 400, "a job was over before it could be stopped"
            yield sweep
        finally:
            sweep.kill()


def test_four_jobs_give_the_basic_launchers_numbers(
    cluster: dict[str, str], tmp_path: Path
) -> None:
    basic = same_sweep.run(tmp_path / "basic")
    assert basic.returncode == 0, basic.stderr
    done = same_sweep.run(tmp_path / "slurm", *SLURM, extra=cluster)
    assert done.returncode == 0, done.stderr
    runs = same_sweep.results(tmp_path / "slurm")
    assert len(runs) == same_sweep.RUNS
    assert runs == same_sweep.results(tmp_path / "basic")
    assert "Logs of the jobs: " in done.stderr
    (log, *_) = sorted((tmp_path / "slurm").glob(".hydra/*/.submitit/*/*_log.out"))
    assert "trait accuracy" in log.read_text()


def test_a_preempted_and_a_timed_out_job_go_on_to_the_same_bits(
    cluster: dict[str, str], tmp_path: Path
) -> None:
    basic = same_sweep.run(tmp_path / "basic", *LONG)
    assert basic.returncode == 0, basic.stderr
    outputs = tmp_path / "slurm"
    with under_way(outputs, cluster) as sweep:
        names = slurm(cluster, "squeue", "-h", "-t", "running", "-o", "%i").split()
        assert len(names) == 2
        slurm(cluster, "scontrol", "requeue", names[0])  # what pre-emption does
        slurm(cluster, "scancel", "--signal=USR2", names[1])  # the warning before a time-out
        _, stderr = sweep.communicate(timeout=500)
    assert sweep.returncode == 0, stderr
    logs = list(outputs.glob(".hydra/*/.submitit/*/*_log.out"))
    assert len(runs := same_sweep.results(outputs)) == 4
    assert runs == same_sweep.results(tmp_path / "basic")
    starts = [log.read_text().count("Starting with JobEnvironment") for log in logs]
    assert starts == [2, 2]


def test_a_killed_job_ends_the_sweep_and_the_same_command_goes_on(
    cluster: dict[str, str], tmp_path: Path
) -> None:
    outputs = tmp_path / "slurm"
    with under_way(outputs, cluster) as sweep:
        (name, *_) = slurm(cluster, "squeue", "-h", "-t", "running", "-o", "%i").split()
        slurm(cluster, "scancel", "--signal=KILL", name)
        _, stderr = sweep.communicate(timeout=500)
    assert sweep.returncode != 0, stderr
    again = same_sweep.run(outputs, *LONG, *SLURM, extra=cluster)
    assert again.returncode == 0, again.stderr
    assert len(same_sweep.results(outputs)) == 4
