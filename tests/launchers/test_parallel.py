"""Launchers that run jobs side by side: the basic launcher's numbers, to the last bit."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import same_sweep

Digests = dict[str, dict[str, str]]
EXTRA = {"RAY_AUTH_MODE": "disabled"}  # else Ray writes a token into the home folder


@pytest.fixture(scope="module")
def basic(tmp_path_factory: pytest.TempPathFactory) -> Digests:
    outputs = tmp_path_factory.mktemp("basic") / "outputs"
    done = same_sweep.run(outputs)
    assert done.returncode == 0, done.stderr
    runs = same_sweep.results(outputs)
    assert len(runs) == same_sweep.RUNS
    return runs


@pytest.fixture
def ray_cluster() -> Iterator[str]:
    """A Ray cluster of two nodes with one CPU each, on this machine."""
    pytest.importorskip("ray")
    code = (
        "import sys\n"
        "from ray.cluster_utils import Cluster\n"
        "cluster = Cluster(initialize_head=True, head_node_args={'num_cpus': 1})\n"
        "cluster.add_node(num_cpus=1)\n"
        "cluster.wait_for_nodes()\n"
        "print(cluster.address, flush=True)\n"
        "sys.stdin.read()\n"
        "cluster.shutdown()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env=same_sweep.environment(EXTRA),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield next(line for line in process.stdout if ":" in line).strip()
    finally:
        process.communicate("", timeout=60)


def check(outputs: Path, basic: Digests, *overrides: str) -> str:
    done = same_sweep.run(outputs, *overrides, extra=EXTRA)
    assert done.returncode == 0, done.stderr
    assert same_sweep.results(outputs) == basic
    return done.stderr


@pytest.mark.slow
def test_joblib(basic: Digests, tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    check(tmp_path / "outputs", basic, "hydra/launcher=joblib")


@pytest.mark.slow
def test_submitit_local(basic: Digests, tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    told = check(tmp_path / "outputs", basic, "hydra/launcher=submitit_local")
    assert "Logs of the jobs: " in told
    logs = sorted((tmp_path / "outputs").glob(".hydra/*/.submitit/*/*_log.out"))
    assert sum("trait accuracy" in log.read_text() for log in logs) == 4


@pytest.mark.slow
def test_ray_with_two_workers(basic: Digests, tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_ray_launcher")
    init = "+hydra.launcher.ray.init"
    words = ("hydra/launcher=ray", f"{init}.num_cpus=2", f"{init}.include_dashboard=false")
    check(tmp_path / "outputs", basic, *words)


@pytest.mark.slow
def test_a_ray_cluster_of_two_nodes(basic: Digests, tmp_path: Path, ray_cluster: str) -> None:
    check(
        tmp_path / "outputs",
        basic,
        "hydra/launcher=ray_cluster",
        f"hydra.launcher.ray.init.address='{ray_cluster}'",
        "hydra.launcher.ray.remote.num_cpus=1",
        "hydra.launcher.ray.remote.runtime_env.env_vars.SUBLIMINAL_CORES='1'",
    )


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["joblib", "submitit_local", "ray"])
def test_a_job_that_fails_is_named_and_the_others_finish(launcher: str, tmp_path: Path) -> None:
    plugin = launcher.partition("_")[0]
    pytest.importorskip(f"hydra_plugins.hydra_{plugin}_launcher")
    outputs = tmp_path / "outputs"
    done = same_sweep.run(
        outputs, f"hydra/launcher={launcher}", "seed=0-1", "optim.lr=1e30,3e-4", extra=EXTRA
    )
    assert done.returncode == 1, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 4  # two mitigations, two seeds, each named
    assert all(re.search(r"seed-000[01] failed: distill/loss is nan", line) for line in errors)
    assert len(same_sweep.results(outputs)) == 4
