"""A job's seeds: what is finished is kept, what fails is named, no arrangement changes a bit."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import small
import torch
from jobs import FAULT, Fault, RecordingConsole, finished, train
from omegaconf import DictConfig
from resolved import train_config

from subliminal import store
from subliminal.errors import RunsFailed, UserError
from subliminal.state import Step, Training
from subliminal.state.callbacks import Callback
from subliminal.state.callbacks.files import RunFiles
from subliminal.state.callbacks.progress import Event
from subliminal.store import provenance
from subliminal.store.conditions import LONGEST_NAME
from subliminal.sweep import signals
from subliminal.sweep.console import Console
from subliminal.training import runner

Compose = Callable[[list[str]], DictConfig]
Config = Callable[..., DictConfig]
Files = dict[Path, tuple[int, bytes]]
TESTS = Path(__file__).parents[1] / "support"


@pytest.fixture
def config(compose: Compose, tmp_path: Path) -> Config:
    words = [*small.OVERRIDES, f"outputs={tmp_path / 'outputs'}", "engine.workers=1"]
    return lambda *overrides: compose([*words, *overrides])


@pytest.fixture
def faults() -> Iterator[set[int]]:
    """The seeds in which the plugin raises."""
    Fault.seeds.clear()
    yield Fault.seeds
    Fault.seeds.clear()


def files(runs: list[Path]) -> Files:
    paths = [path for run in runs for path in run.iterdir()]
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in paths}


def students(runs: list[Path]) -> list[bytes]:
    return [(run / "student.safetensors").read_bytes() for run in runs]


def test_a_stack_that_does_not_fit_the_memory_is_halved(
    config: Config, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sizes = []
    prepare = runner.prepare_student

    def counted(job: Any, files: RunFiles, *args: Any) -> Any:
        sizes.append(len(files.directories))
        return prepare(job, files, *args)

    class Greedy(Callback):
        def on_step(self, step: Step) -> None:
            if len(step.training.seeds) > 2 and step.index == 7:  # a checkpoint is there
                raise torch.OutOfMemoryError("of the test")

    observers = runner._callbacks
    monkeypatch.setattr(runner, "prepare_student", counted)
    monkeypatch.setattr(runner, "_callbacks", lambda *args: [Greedy(), *observers(*args)])
    runs = train(config("seed=0-4", "engine.seeds_at_once=5"))
    assert sizes == [5, 2, 3, 1, 2]
    assert [line for line in caplog.messages if "seeds at once" in line] == [
        f"{number} seeds at once do not fit the memory of the device; half as many now."
        for number in (5, 3)
    ]
    assert not [run for run in runs if (run / store.FAILURE).exists()]
    monkeypatch.undo()
    monkeypatch.setenv("SUBLIMINAL_PLUGINS", "small")
    alone = students(train(config("seed=0-4", "name=alone")))
    assert students(runs) == alone


def test_one_seed_that_does_not_fit_has_failed(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(*_: object) -> None:
        raise torch.OutOfMemoryError("of the test")

    monkeypatch.setattr(runner, "prepare_student", too_large)
    with pytest.raises(RunsFailed, match=r"seeds: 0, 1 .OutOfMemoryError: of the test"):
        train(config("seed=0-1", "engine.seeds_at_once=2"))


# --- what is finished ---


def test_finished_seeds_are_not_touched(config: Config) -> None:
    before = files(train(config("seed=0-2")))
    for again in ("engine.seeds_at_once=3", "engine.workers=5", "data.root=/nowhere", "seed=1"):
        console = RecordingConsole(event=lambda _: pytest.fail("something was trained"))
        runs = train(config("seed=0-2", again), console)
        assert {path: before[path] for path in files(runs)} == files(runs), again
        (line,) = console.lines
        assert line.startswith(f"{len(runs)} of {len(runs)} seeds are finished already")


def test_only_what_is_missing_is_trained_and_runs_are_in_the_order_of_the_seed_set(
    config: Config, tmp_path: Path
) -> None:
    before = files(train(config("seed=1-2")))
    trained = set()
    console = RecordingConsole(event=lambda event: trained.add(event.seeds))
    runs = train(config("seed.spec='3,0-2'"), console)
    assert trained == {(0,), (3,)}
    assert [run.name for run in runs] == [f"seed-{seed:04d}" for seed in (3, 0, 1, 2)]
    assert {path: now for path, now in files(runs).items() if path in before} == before
    assert console.lines == [
        "2 of 4 seeds are finished already and kept (force=true trains them again)."
    ]


def test_force_trains_again_to_the_same_bits(config: Config) -> None:
    runs = train(config("seed=0-1"))
    before, ids = files(runs), [store.read_summary(run)["run_id"] for run in runs]
    console = RecordingConsole()
    assert train(config("seed=0-1", "force=true"), console) == runs
    after = files(runs)
    assert console.lines == []
    assert before.keys() == after.keys()
    assert [path for path in before if after[path][0] == before[path][0]] == []
    assert [store.read_summary(run)["run_id"] for run in runs] != ids
    changed = {path.name for path in before if after[path][1] != before[path][1]}
    assert "summary.json" in changed  # times, and the run's id
    assert changed <= {"summary.json", "config.yaml"}


def test_a_finished_condition_is_found_under_any_name(config: Config) -> None:
    (run,) = train_config(config("seed=0"), "one name", Console())
    assert train_config(config("seed=0"), "another", Console()) == [run]
    assert run.parent.name.startswith("one name-")


@pytest.mark.parametrize("length", [LONGEST_NAME - 1, LONGEST_NAME, 3000])
def test_a_long_name_is_cut_in_the_folder_alone(config: Config, length: int) -> None:
    (run,) = train_config(config("seed=0"), "n" * length, Console())
    name, _, digest = run.parent.name.rpartition("-")
    assert name == "n" * min(length, LONGEST_NAME)
    assert len(digest) == 8
    assert store.read_summary(run)["condition"] == "n" * length


# --- no arrangement changes a bit ---


def test_workers_and_stacks_change_no_bit(config: Config, tmp_path: Path) -> None:
    two = "mitigation=[liminal,projection]"
    arrangements = {
        "alone": ["engine.workers=1", "engine.seeds_at_once=1"],
        "workers": ["engine.workers=2"],
        "stack": ["engine.workers=1", "engine.seeds_at_once=4"],
        "uneven": ["engine.workers=1", "engine.seeds_at_once=3"],
    }
    runs = {
        name: train(config(f"outputs={tmp_path / name}", "seed=0-3", two, *overrides))
        for name, overrides in arrangements.items()
    }
    alone = students(runs["alone"])
    assert len(set(alone)) == 4
    for name in ("workers", "stack", "uneven"):
        assert students(runs[name]) == alone, name
        for one, other in zip(runs["alone"], runs[name], strict=True):
            for table in ("steps.parquet", "epochs.parquet"):
                assert pl.read_parquet(one / table).equals(pl.read_parquet(other / table))
    stacks = [store.read_summary(run)["stack"] for run in runs["uneven"]]
    assert stacks == [3, 3, 3, 1]


# --- what fails ---


def test_a_failing_seed_is_named_and_the_same_command_trains_it(
    config: Config, tmp_path: Path, faults: set[int]
) -> None:
    faults.add(1)
    cfg = config("seed=0-2", FAULT)
    with pytest.raises(UserError) as error:
        train(cfg)
    message = str(error.value)
    assert len(message.splitlines()) == 1
    assert "failed seeds: 1 (ArithmeticError: of the test)" in message
    assert finished(tmp_path / "outputs") == [0, 2]
    (failure,) = (tmp_path / "outputs").rglob("failure.txt")
    assert failure.parent.name == "seed-0001"
    assert "Traceback" in failure.read_text()
    assert "jobs.py" in failure.read_text()
    assert "ArithmeticError: of\nthe test" in failure.read_text()
    before = files(list(store.finished_runs(tmp_path / "outputs" / "main")))
    faults.clear()
    runs = train(cfg)
    assert finished(tmp_path / "outputs") == [0, 1, 2]
    assert list((tmp_path / "outputs").rglob("failure.txt")) == []
    assert {path: now for path, now in files(runs).items() if path in before} == before


@pytest.mark.parametrize(
    ("failing", "size", "named"), [({0, 3}, 1, [0, 3]), ({1}, 2, [0, 1]), ({3}, 3, [3])]
)
def test_a_failure_ends_its_stack_alone(
    config: Config, tmp_path: Path, faults: set[int], failing: set[int], size: int, named: list[int]
) -> None:
    faults |= failing
    with pytest.raises(UserError) as error:
        train(config("seed=0-3", FAULT, f"engine.seeds_at_once={size}"))
    assert f"failed seeds: {', '.join(map(str, named))} (" in str(error.value)
    assert finished(tmp_path / "outputs") == [seed for seed in range(4) if seed not in named]
    assert len(list((tmp_path / "outputs").rglob("failure.txt"))) == len(named)


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_outputs_that_cannot_be_written_are_refused(
    config: Config, tmp_path: Path, place: str
) -> None:
    (tmp_path / "file").touch()
    console = RecordingConsole(begin=lambda: pytest.fail("the training began"))
    with pytest.raises(UserError, match=r"outputs=.*cannot be written .*outputs=…$"):
        train(config("seed=0", f"outputs={tmp_path / place}"), console)


# --- what is stopped ---


def at(seed: int, phase: str) -> Callable[[Event], None]:
    """Press Ctrl-C at the end of a seed's phase."""

    def press(event: Event) -> None:
        if event.seeds == (seed,) and event.phase == phase and event.step == event.steps:
            raise KeyboardInterrupt

    return press


@pytest.mark.parametrize(("seed", "phase"), [(0, "teacher"), (1, "student"), (2, "teacher")])
def test_ctrl_c_keeps_what_is_finished_and_begins_no_seed(
    config: Config, tmp_path: Path, seed: int, phase: str
) -> None:
    cfg, begun = config("seed=0-2"), set()

    def press(event: Event) -> None:
        begun.add(event.seeds)
        at(seed, phase)(event)

    with pytest.raises(KeyboardInterrupt):
        train(cfg, RecordingConsole(event=press))
    assert begun == {(number,) for number in range(seed + 1)}
    assert finished(tmp_path / "outputs") == list(range(seed))
    before = files(list(store.finished_runs(tmp_path / "outputs" / "main")))

    runs = train(cfg)
    assert finished(tmp_path / "outputs") == [0, 1, 2]
    assert list((tmp_path / "outputs").rglob("failure.txt")) == []
    assert {path: now for path, now in files(runs).items() if path in before} == before


def test_ctrl_c_counts_also_when_a_run_is_just_written(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = RunFiles.on_train_end

    def pressed(self: RunFiles, training: Training) -> None:
        write(self, training)
        raise KeyboardInterrupt

    monkeypatch.setattr(RunFiles, "on_train_end", pressed)
    with pytest.raises(KeyboardInterrupt):
        train(config("seed=0-2"))
    assert finished(tmp_path / "outputs") == [0]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stop_that_a_library_drops_ends_the_job(
    config: Config, tmp_path: Path, workers: int
) -> None:
    def press(event: Event) -> None:
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt), signals.stoppable():
        train(config("seed=0-5", f"engine.workers={workers}"), RecordingConsole(event=press))
    assert len(finished(tmp_path / "outputs")) < 3


@contextmanager
def long_sweep(folder: Path, workers: int) -> Iterator[subprocess.Popen[str]]:
    """A sweep of a thousand seeds in a process group of its own, which does not outlive this."""
    argv = [*small.OVERRIDES, "seed=0-999", f"outputs={folder / 'outputs'}"]
    command = subprocess.Popen(
        [sys.executable, "-m", "subliminal.train", *argv, f"engine.workers={workers}"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield command
    finally:
        if command.poll() is None:
            os.killpg(command.pid, signal.SIGKILL)
            command.wait()


STOPPED = "Stopped. What was finished is kept; the same command resumes.\n"


def test_a_stop_as_workers_start_ends_as_any_other(tmp_path: Path) -> None:
    with long_sweep(tmp_path, workers=2) as command:
        while not any((tmp_path / "outputs").glob("main/*/condition.json")):
            assert command.poll() is None, command.communicate()
            time.sleep(0.01)
        os.killpg(command.pid, signal.SIGINT)
        _, told = command.communicate(timeout=120)
    assert (command.returncode, told) == (130, STOPPED)


@pytest.mark.parametrize(
    ("number", "workers"), [(signal.SIGINT, 2), (signal.SIGTERM, 1)], ids=["ctrl-c", "sigterm"]
)
def test_a_stopped_command_keeps_what_is_finished(
    config: Config, tmp_path: Path, number: signal.Signals, workers: int
) -> None:
    with long_sweep(tmp_path, workers) as command:
        while not finished(tmp_path / "outputs"):
            assert command.poll() is None, command.communicate()
            time.sleep(0.02)
        if number == signal.SIGINT:  # a terminal sends it to the whole group
            os.killpg(command.pid, number)
        else:
            command.send_signal(number)
        _, told = command.communicate(timeout=120)
    assert (command.returncode, told) == (130, STOPPED)
    kept = finished(tmp_path / "outputs")
    assert 1 <= len(kept) < 1000
    before = files(list(store.finished_runs(tmp_path / "outputs" / "main")))
    assert {path.name for path in before} == {*store.DATA, store.MARKER}
    console = RecordingConsole()
    train(config(f"seed.spec='{','.join(map(str, kept))}'"), console)
    assert console.lines[0].startswith(f"{len(kept)} of {len(kept)} seeds are finished already")


# --- jobs side by side ---


@pytest.mark.parametrize(("specs", "size"), [(("0-1", "0-1"), 1), (("0-2", "2,1"), 3)])
def test_two_jobs_train_a_shared_teacher_once(
    config: Config, tmp_path: Path, specs: tuple[str, str], size: int
) -> None:
    meet = threading.Barrier(2)
    trained: list[int] = []
    results: dict[str, list[Path]] = {}

    def seen(event: Event) -> None:
        if event.phase == "teacher" and event.step == event.steps:
            trained.extend(event.seeds)

    def job(name: str, cfg: DictConfig) -> None:
        console = RecordingConsole(event=seen, begin=lambda: meet.wait(timeout=60) and None)
        results[name] = train(cfg, console)

    threads = []
    for name, spec in zip(("one", "other"), specs, strict=True):
        cfg = config(f"name={name}", f"seed.spec='{spec}'", f"engine.seeds_at_once={size}")
        threads.append(threading.Thread(target=job, args=(name, cfg), daemon=True))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert not any(thread.is_alive() for thread in threads)
    seeds = sorted({int(run.name[-1]) for runs in results.values() for run in runs})
    assert sorted(trained) == seeds
    assert len(list((tmp_path / "outputs" / "teachers").glob("*.safetensors"))) == len(seeds)
    by_seed = [{run.name: run for run in results[name]} for name in ("one", "other")]
    for name in by_seed[0].keys() & by_seed[1].keys():
        assert students([by_seed[0][name]]) == students([by_seed[1][name]])


def test_a_run_bears_the_commit_at_its_start(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    me = ("-c", "user.name=a", "-c", "user.email=a@b")

    def commit() -> str:
        (checkout / "file").write_text(f"{time.perf_counter()}")
        for words in (("init", "-q"), ("add", "file"), (*me, "commit", "-q", "-m", "a")):
            subprocess.run(["git", "-C", checkout, *words], check=True)
        head = subprocess.check_output(["git", "-C", checkout, "rev-parse", "HEAD"], text=True)
        return head.strip()

    before = commit()
    monkeypatch.setattr(provenance, "ROOT", checkout)
    provenance.environment.cache_clear()
    started = threading.Event()

    def commit_once(event: Event) -> None:
        if not started.is_set():
            started.set()
            assert commit() != before

    try:
        runs = train(config("seed=0-1", "engine.workers=2"), RecordingConsole(commit_once))
    finally:
        provenance.environment.cache_clear()
    assert started.is_set()
    found = [store.read_summary(run)["environment"]["git_commit"] for run in runs]
    assert found == [before, before]
