"""`sl.train` does what the command line does, in a process of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import small
from api_calls import Called
from hydra.core.override_parser.overrides_parser import OverridesParser

import subliminal as sl
from subliminal import store
from subliminal.commands.reproduce import same_bits
from subliminal.commands.train import _quoted

Run = Callable[..., tuple[int, str, str]]

TESTS = Path(__file__).parents[1] / "support"
# As a stranger writes it: not guarded, so that whoever imports it calls once more.
SCRIPT = f"""
import subliminal as sl
print("called")
runs = sl.train("seed=0-1", *{small.OVERRIDES}, "engine.workers=2", quiet=True)
print(len(runs), runs[1].seed, "torch" in __import__("sys").modules)
"""
SLOW = ("+mitigation.slow._target_=small.Slow", "distill.epochs=40")


def python(*words: str, folder: Path, **variables: str) -> "subprocess.Popen[str]":
    paths = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_same_bits_as_the_command_line(called: Called, run: Run, tmp_path: Path) -> None:
    status, _, err = run("seed=1", "distill/init=shared")
    assert status == 0, err
    (by_hand,) = (tmp_path / "outputs" / "main").glob("*/seed-0001")
    runs = called.runs
    assert [(r.condition, r.seed) for r in runs] == [
        *(("init=shared", seed) for seed in (0, 1)),
        *(("init=independent", seed) for seed in (0, 1)),
    ]
    assert runs[1].folder.parent.name == by_hand.parent.name  # one condition, by its hash
    assert same_bits(by_hand, runs[1].folder)


def test_nothing_of_the_caller_is_changed(called: Called) -> None:
    assert called.before == called.after


def test_a_script_is_run_once_whatever_processes_train(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    done = python("script.py", folder=tmp_path)
    out, err = done.communicate(timeout=120)
    assert (done.returncode, err) == (0, "")
    assert out == "called\n2 1 False\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["mitigation=nope"], "Could not find 'mitigation/nope'"),
        ([*small.OVERRIDES, "distill.epochs=1,0"], "distill.epochs=0: at least 1"),
    ],
)
def test_bad_input_is_an_exception_of_one_line(
    words: list[str], told: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(sl.UserError, match=told) as raised:
        sl.train(*words, outputs=tmp_path, quiet=True)
    assert len(str(raised.value).splitlines()) == 1
    assert not [*tmp_path.rglob("seed-*")]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("flag", ["-m", "--help", "--cfg=job"])
def test_flags_are_refused(flag: str) -> None:
    with pytest.raises(sl.UserError, match=f"{flag}: overrides are needed"):
        sl.train("seed=0", flag)


@pytest.mark.parametrize(("number", "workers"), [(signal.SIGINT, 2), (signal.SIGKILL, 1)])
def test_a_caller_that_is_stopped_stops_the_training(
    number: signal.Signals, workers: int, tmp_path: Path
) -> None:
    words = [*small.OVERRIDES, *SLOW, f"engine.workers={workers}"]
    code = f"import subliminal as sl; sl.train('seed=0-1', *{words})"
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


@pytest.mark.parametrize("name", ["a b", "it's", "back\\slash", "x,y=[1]", "{z}:\\'"])
def test_any_folder_may_be_named(name: str) -> None:
    override = OverridesParser.create().parse_override(f"outputs={_quoted(name)}")
    assert override.value() == name


def test_names_are_imported_when_they_are_asked_for(tmp_path: Path) -> None:
    code = (
        "import sys, subliminal as sl\n"
        "heavy = ('torch', 'hydra', 'polars', 'matplotlib', 'rich')\n"
        "assert not {*heavy} & {*sys.modules}\n"
        "assert {*sl.__all__} <= {*dir(sl)}\n"
        "sl.load, sl.compare, sl.Runs, sl.train\n"
        "assert 'torch' not in sys.modules\n"
        "assert sl.train.main and callable(sl.train)\n"
        "sl.nothing\n"
    )
    done = python("-c", code, folder=tmp_path)
    _, err = done.communicate(timeout=60)
    assert err.splitlines()[-1] == "AttributeError: module 'subliminal' has no attribute 'nothing'"
