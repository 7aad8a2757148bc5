"""Workers that are killed or cannot be started cost their own seed at most."""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import small
from jobs import FAULT, RecordingConsole, finished, kills_process, train
from omegaconf import DictConfig

from subliminal import store
from subliminal.errors import RunsFailed
from subliminal.sweep import cores, engine, workers

Compose = Callable[[list[str]], DictConfig]
Config = Callable[..., DictConfig]
TESTS = Path(__file__).parents[1] / "support"


@pytest.fixture
def config(compose: Compose, tmp_path: Path) -> Config:
    words = [*small.OVERRIDES, f"outputs={tmp_path / 'outputs'}", "engine.workers=2"]
    return lambda *overrides: compose([*words, *overrides])


@pytest.fixture(autouse=True)
def pool() -> Iterator[None]:
    """No worker is left to other tests."""
    yield
    workers.stop_workers()


def told(console: RecordingConsole) -> list[str]:
    return [line for line in console.lines if "a worker process was killed (SIGKILL)" in line]


@pytest.mark.parametrize("seeds", [[0, 3], pytest.param([0, 1, 2, 3], marks=pytest.mark.slow)])
def test_a_killed_worker_costs_no_seed(config: Config, tmp_path: Path, seeds: list[int]) -> None:
    console, plugin = RecordingConsole(), kills_process(tmp_path, seeds)
    runs = train(config("seed=0-3", plugin), console)
    assert finished(tmp_path / "outputs") == list(range(4))
    assert sorted(told(console)) == [
        f"Seeds {seed}: a worker process was killed (SIGKILL); tried again after the others."
        for seed in seeds
    ]
    for name, run in zip(seeds, (runs[seed] for seed in seeds), strict=True):
        assert store.read_summary(run)["resumed"] == [5], name  # at the end of the first epoch
    undisturbed = train(config("seed=0-3", plugin, "name=again", "engine.workers=1"))
    for run, other in zip(runs, undisturbed, strict=True):
        file = "student.safetensors"
        assert (run / file).read_bytes() == (other / file).read_bytes()


def test_a_seed_whose_workers_are_killed_fails_alone(config: Config, tmp_path: Path) -> None:
    console = RecordingConsole()
    with pytest.raises(RunsFailed, match=r"failed seeds: 0, 2 \(a worker process was killed"):
        train(config("seed=0-3", kills_process(tmp_path, [0, 2], once=False)), console)
    assert finished(tmp_path / "outputs") == [1, 3]
    failures = sorted((tmp_path / "outputs").rglob("failure.txt"))
    assert [path.parent.name for path in failures] == ["seed-0000", "seed-0002"]
    assert {path.read_text() for path in failures} == {"a worker process was killed (SIGKILL)\n"}
    assert len(told(console)) == 2


def test_workers_serve_job_after_job_and_are_replaced_when_killed(
    config: Config, tmp_path: Path
) -> None:
    def pids() -> set[int]:
        return {child.pid for child in multiprocessing.active_children() if child.pid is not None}

    before, console = pids(), RecordingConsole()
    train(config("seed=0-1"), console)
    first = pids() - before
    assert len(first) == 2
    train(config("seed=2-5"), console)
    assert pids() - before == first
    os.kill(min(first), signal.SIGKILL)
    train(config("seed=6-7"), console)
    (server,) = {psutil.Process(pid).ppid() for pid in pids() - before}
    assert server != os.getpid()
    os.kill(server, signal.SIGKILL)
    train(config("seed=8-9"), console)
    assert finished(tmp_path / "outputs") == list(range(10))
    assert console.lines == []


def test_workers_take_the_plugins_of_a_later_job(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUBLIMINAL_PLUGINS", "small")
    train(config("seed=0-1"))
    monkeypatch.setenv("SUBLIMINAL_PLUGINS", "small,jobs")
    train(config("seed=2-3", FAULT))
    assert len(list(tmp_path.glob("outputs/main/*/seed-*/summary.json"))) == 4


def test_memory_limits_the_workers(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "granted", lambda: 16)
    monkeypatch.setattr(cores, "memory", lambda: 3.7 * engine.PROCESS)
    before = set(multiprocessing.active_children())
    console = RecordingConsole()
    train(config("seed=0-4", "engine.workers=null"), console)
    assert len(set(multiprocessing.active_children()) - before) == 2
    assert console.lines == [
        "Memory for 2 of 5 worker processes, of 0.4 GB each; engine.workers=… sets another number."
    ]


def sweep(folder: Path, prefix: tuple[str, ...] = (), **environ: str) -> tuple[int, list[str]]:
    """Train two seeds with two workers by the command line; return its status and what it told."""
    argv = [*small.OVERRIDES, "seed=0-1", "engine.workers=2", f"outputs={folder / 'outputs'}"]
    ended = subprocess.run(
        [*prefix, sys.executable, "-m", "subliminal.train", *argv],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(TESTS), **environ},
        capture_output=True,
        text=True,
        timeout=300,
    )
    return ended.returncode, ended.stderr.splitlines()


def test_a_folder_too_deep_for_sockets_leaves_one_process(tmp_path: Path) -> None:
    deep = tmp_path / ("deep" * 25)
    deep.mkdir()
    status, told = sweep(tmp_path, TMPDIR=str(deep))
    assert (status, finished(tmp_path / "outputs")) == (0, [0, 1])
    assert told[:-1] == [
        "A worker process cannot be started (AF_UNIX path too long); this process trains alone."
    ]
    assert told[-1].startswith("Files: ")


def test_workers_of_an_earlier_job_train_where_the_command_is_given(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        train(config("outputs=outputs", "seed=0-1"))
        assert finished(tmp_path / name / "outputs") == [0, 1]
