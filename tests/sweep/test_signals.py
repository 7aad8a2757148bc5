"""Signals that stop a command: each stops it, whatever a library makes of what was raised."""

import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import small
from hydra.core.global_hydra import GlobalHydra

from subliminal.commands.train import main
from subliminal.config.command import STOPPED
from subliminal.errors import Refused, UserError
from subliminal.sweep.signals import STOPS, stop_requested, stoppable, stops_held

STOP = pytest.mark.parametrize("number", sorted(STOPS))


@pytest.fixture(autouse=True)
def _handlers_are_put_back() -> Iterator[None]:
    before = [signal.getsignal(number) for number in STOPS]
    yield
    assert [signal.getsignal(number) for number in STOPS] == before


def _hit_while_held(number: signal.Signals, seen: list[str], error: type[Exception] | None) -> None:
    with stops_held():
        signal.raise_signal(number)
        seen.append("ended")
        if error:
            raise error


@STOP
def test_a_block_ends_before_a_stop_counts(number: signal.Signals) -> None:
    seen: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        _hit_while_held(number, seen, None)
    assert seen == ["ended"]


def test_a_stop_counts_where_the_block_fails_of_it() -> None:
    """A worker's server that the same signal hit; else the sweep would train on, alone."""
    with pytest.raises(KeyboardInterrupt):
        _hit_while_held(signal.SIGTERM, [], EOFError)


def test_a_block_that_fails_unstopped_fails() -> None:
    with pytest.raises(EOFError), stops_held():
        raise EOFError


def _hit(number: signal.Signals, error: BaseException) -> None:
    """As in OmegaConf, whose clean-up of a config that is half made fails."""
    try:
        signal.raise_signal(number)
    finally:
        raise error


@STOP
@pytest.mark.parametrize("error", [AttributeError(), Refused(UserError("defaults: …"))], ids=repr)
def test_what_a_library_makes_of_a_stop_is_a_stop(
    number: signal.Signals, error: BaseException
) -> None:
    with pytest.raises(KeyboardInterrupt), stoppable():
        _hit(number, error)
    assert not stop_requested()


@STOP
def test_a_stop_that_was_dropped_is_known(number: signal.Signals) -> None:
    with stoppable():
        assert not stop_requested()
        with suppress(KeyboardInterrupt), stoppable():  # as a job's within a command's
            signal.raise_signal(number)
        assert stop_requested()
    with stoppable():
        assert not stop_requested()


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(AttributeError), stoppable():
        raise AttributeError


def test_ctrl_c_that_is_ignored_stays_so() -> None:
    """In a shell's background, and under nohup."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stoppable():
            signal.raise_signal(signal.SIGINT)
            assert not stop_requested()
    finally:
        signal.signal(signal.SIGINT, before)


def test_what_a_job_makes_of_a_stop_is_one_line(
    run: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def hit(_: object) -> None:
        _hit(signal.SIGINT, AttributeError())

    monkeypatch.setattr("subliminal.training.job.build_experiment", hit)
    assert run("seed=0") == (130, "", f"{STOPPED}\n")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # in a finalizer
def test_at_any_moment_of_a_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Most of a short one is composing, where OmegaConf makes other errors of what is raised."""
    monkeypatch.chdir(tmp_path)
    words = [*small.OVERRIDES, "seed=0-1", "mitigation=none,liminal", "engine.workers=1"]

    def sweep() -> float:
        shutil.rmtree("outputs", ignore_errors=True)
        GlobalHydra.instance().clear()
        os.environ.pop("HYDRA_FULL_ERROR", None)
        monkeypatch.setattr("sys.argv", ["train", "-m", *words])
        started = time.perf_counter()
        main()
        return time.perf_counter() - started

    sweep()  # the first imports much
    whole = sweep()
    before = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    moments, stopped = random.Random(0), 0
    try:
        for _ in range(40):
            signal.setitimer(signal.ITIMER_REAL, moments.uniform(0.001, 0.8 * whole))
            try:
                sweep()  # any other error fails the test
            except (SystemExit, KeyboardInterrupt) as end:  # the latter before it handles signals
                stopped += getattr(end, "code", 130) == 130
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert stopped > 10  # fewer where the machine was busier as the whole sweep was timed
    assert "Error executing job" not in capfd.readouterr().err
