"""Real sweeps, killed at random moments until they are through, end as if undisturbed."""

import random
import signal
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from fault_injection import SIGNALS, Disturbed, Tried, Undisturbed, undisturbed

from subliminal import store

REAL_DIGITS = (
    *("data._target_=subliminal.data.mnist.MNIST", "model.hidden=[256,256]"),
    *("teacher.epochs=1", "teacher.batch_size=1024", "distill.epochs=3"),
    *("distill.batch_size=1024", "distill.inputs.size=20000"),
    *("seed=0-1", "mitigation=none", "engine.workers=2"),
)


def kill_until_through(
    folder: Path, whole: Undisturbed, tried: Tried, kills: int, where: str = ""
) -> None:
    moments = random.Random(kills)  # the same choices each time; the machine's timing is its own
    done = 0
    for attempt in range(kills + 1):
        sweep = Disturbed(folder / str(attempt), whole)
        resumes = False
        while done < kills:
            number = moments.choice(SIGNALS)
            if not sweep.kill(moments, number):
                break  # through; another sweep takes the remaining kills
            kind = f"{number.name} to a {'resumed sweep' if resumes else 'new sweep'}{where}"
            tried(kind)
            done, resumes = done + 1, True
            sweep.look()
        sweep.repair()
        if done == kills:
            return


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_a_sweep_killed_at_random_moments_loses_nothing(
    tmp_path: Path, whole: Undisturbed, tried: Tried, kills: int
) -> None:
    kill_until_through(tmp_path, whole, tried, kills)


@pytest.mark.slow
@pytest.mark.mnist
def test_nor_does_one_on_mnist(tmp_path: Path, tried: Tried) -> None:
    whole = undisturbed(tmp_path / "whole", REAL_DIGITS)
    kill_until_through(tmp_path, whole, tried, 5, where=", on MNIST")


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["seed-*", f"seed-*/{store.MARKER}"])
def test_a_killed_worker_costs_no_run(sweep: Disturbed, tried: Tried, moment: str) -> None:
    tried("SIGKILL to one worker process")
    command = sweep.start()
    workers: list[psutil.Process] = []
    while not (workers and any(sweep.outputs.glob(f"main/*/{moment}"))):
        assert command.poll() is None, sweep.stderr()
        with suppress(psutil.NoSuchProcess):  # it has just ended
            servers = psutil.Process(command.pid).children()
            workers = [worker for server in servers for worker in server.children()]
        time.sleep(0.01)
    workers[0].send_signal(signal.SIGKILL)
    assert command.wait(timeout=300) == 0, sweep.stderr()
    sweep.look()
    assert len(sweep.seen) == len(sweep.whole.results)
    sweep.repair()
