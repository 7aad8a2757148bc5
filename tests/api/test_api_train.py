"""`sl.train` does what the command line does, in a subprocess."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import small
from api_calls import TrainedByApi

import subliminal as sl
from subliminal import store
from subliminal.commands.reproduce import same_bits

Run = Callable[..., tuple[int, str, str]]

SUPPORT = Path(__file__).parents[1] / "support"
# Workers of a pool may have no children of multiprocessing. The script has no guard against being
# imported by a worker, and joblib's launcher leaves workers running.
POOL = f"""
import sys
from multiprocessing import get_context
import subliminal as sl
print("begun", flush=True)
def train(word):
    runs = sl.train("seed=0,1", "engine.workers=2", *{small.OVERRIDES}, word, "name=" + word[:3],
                    quiet=True)
    return len(runs), runs[1].seed, "torch" in sys.modules
print(get_context("fork").Pool(2).map(train, ["optim=sgd", "hydra/launcher=joblib"]))
"""
SLOW = ("+mitigation.slow._target_=small.Slow", "distill.epochs=40")


def python(*words: str, folder: Path, **variables: str) -> "subprocess.Popen[str]":
    paths = os.pathsep.join([str(SUPPORT), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_same_bits_as_the_command_line(
    trained_by_api: TrainedByApi, run: Run, tmp_path: Path
) -> None:
    status, _, err = run("seed=1", "distill/init=shared")
    assert status == 0, err
    (by_hand,) = (tmp_path / "outputs" / "main").glob("*/seed-0001")
    runs = trained_by_api.runs
    assert [(r.condition, r.seed) for r in runs] == [
        *(("init=shared", seed) for seed in (0, 1)),
        *(("init=independent", seed) for seed in (0, 1)),
    ]
    assert runs[1].folder.parent.name == by_hand.parent.name  # one condition, by its hash
    assert same_bits(by_hand, runs[1].folder)
    assert trained_by_api.before == trained_by_api.after  # nothing of the caller is changed


def test_it_works_in_the_workers_of_a_pool_and_with_joblibs_launcher(tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    (tmp_path / "script.py").write_text(POOL)
    done = python("script.py", folder=tmp_path)
    out, err = done.communicate(timeout=180)
    assert (done.returncode, err) == (0, "")
    assert out == "begun\n[(2, 1, False), (2, 1, False)]\n"


def test_bad_input_is_an_exception_of_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(sl.UserError, match=r"distill\.epochs=0: at least 1") as raised:
        sl.train(*small.OVERRIDES, "distill.epochs=1,0", outputs=tmp_path, quiet=True)
    assert len(str(raised.value).splitlines()) == 1
    assert not [*tmp_path.rglob("seed-*")]
    assert capfd.readouterr() == ("", "")


ANSWER = 'echo \'{"error": "x", "notes": ["y"]}\' > "${SUBLIMINAL_RESULT#* }"'


@pytest.mark.parametrize(
    ("command", "error", "message"),
    [
        (f"{ANSWER}; exit 1", sl.RunsFailed, "x"),
        (f"{ANSWER}; exit 2", sl.UserError, "x"),
        ("kill -9 $$", sl.RunsFailed, "the process that trained was killed (signal 9); the same"),
        ("echo no; echo 'E: y' >&2; exit 1", sl.UserError, "could not be started (status 1): E: y"),
        ("sleep 60 & exit 130", KeyboardInterrupt, ""),
        (None, sl.UserError, "training could not be started: [Errno 2] No such file"),
    ],
)
def test_how_the_command_ends_is_an_exception(
    command: str | None,
    error: type[BaseException],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    executable = tmp_path / "python"
    monkeypatch.setattr(sys, "executable", str(executable))
    if command is not None:
        executable.write_text(f"#!/bin/sh\n{command}\n")
        executable.chmod(0o755)
    begun = time.monotonic()
    with pytest.raises(error) as raised:
        sl.train("seed=0", quiet=command is None)
    assert type(raised.value) is error
    assert message in str(raised.value)
    assert getattr(raised.value, "__notes__", ["y"]) == ["y"]
    # Standard error is forwarded to what a test, or a notebook, has put there.
    assert capsys.readouterr() == ("", "E: y\n" if message.endswith("E: y") else "")
    assert time.monotonic() - begun < 30  # what the command leaves running is not waited for


@pytest.mark.parametrize("flag", ["-m", "--help", "--cfg=job"])
def test_flags_are_refused(flag: str) -> None:
    with pytest.raises(sl.UserError, match=f"{flag}: overrides are needed"):
        sl.train("seed=0", flag)


@pytest.mark.parametrize(("number", "workers"), [(signal.SIGINT, 2), (signal.SIGKILL, 1)])
def test_a_caller_that_is_stopped_stops_the_training(
    number: signal.Signals, workers: int, tmp_path: Path
) -> None:
    words = [*small.OVERRIDES, *SLOW, f"engine.workers={workers}"]
    code = f"import polars, subliminal as sl; sl.train('seed=0-1', *{words})"
    caller = python("-c", code, folder=tmp_path, SMALL_SECONDS="0.05")
    until(lambda: len([*tmp_path.rglob(store.CHECKPOINT)]) == workers, seconds=60)
    caller.send_signal(number)  # it alone: not the group, as Ctrl-C in a terminal does
    _, err = caller.communicate(timeout=60)
    assert caller.returncode == -number  # Python ends by the signal, after its traceback
    assert ("KeyboardInterrupt" in err) == (number == signal.SIGINT)
    runs = [*tmp_path.rglob("seed-000?")]
    assert len(runs) == workers
    until(lambda: {store.state(run) for run in runs} == {"partial"}, seconds=20)


def until(true: Callable[[], bool], *, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_names_are_imported_on_first_access(tmp_path: Path) -> None:
    code = (
        "import sys, subliminal as sl\n"
        "heavy = ('torch', 'hydra', 'polars', 'matplotlib', 'rich')\n"
        "assert not {*heavy} & {*sys.modules}\n"
        "assert {*sl.__all__} <= {*dir(sl)}\n"
        "import subliminal.commands.train\n"
        "sl.load, sl.compare, sl.Runs\n"
        "assert 'torch' not in sys.modules\n"
        "assert callable(sl.train)\n"
        "sl.nothing\n"
    )
    done = python("-c", code, folder=tmp_path)
    _, err = done.communicate(timeout=60)
    assert err.splitlines()[-1] == "AttributeError: module 'subliminal' has no attribute 'nothing'"
