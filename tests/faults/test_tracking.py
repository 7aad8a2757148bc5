"""W&B that fails, or is killed with its sweep: the files are the same, and no point is doubled."""

import os
import signal
import time
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from fault_injection import Disturbed, Tried, small_disk
from wandb_online import in_files, points
from wandb_reader import read_back

from subliminal import store
from subliminal.trackers import record

pytestmark = pytest.mark.slow


TRACKED = ("tracker=wandb", "tracker.mode=offline")


@pytest.fixture
def tracked(sweep: Disturbed) -> Disturbed:
    return replace(sweep, words=TRACKED)


def test_a_service_that_cannot_be_reached(tracked: Disturbed, tried: Tried) -> None:
    tried("W&B without a service")
    nowhere = replace(tracked, extra={"WANDB_SERVICE": f"3-{os.getpid()}-tcp-localhost-9"})
    assert nowhere.run() == 0, nowhere.stderr()
    assert nowhere.stderr().count("W&B does not have all of 6 of 6 runs") == 1
    nowhere.look()
    nowhere.repair()


@pytest.mark.parametrize("size", [4096, 65536])
def test_a_full_disk_for_its_files(tracked: Disturbed, tried: Tried, size: int) -> None:
    tried("W&B with a full disk")
    with small_disk(tracked.outputs / "main" / "wandb", size):
        assert tracked.run() == 0, tracked.stderr()
        tracked.look()
        tracked.repair()


def test_a_killed_sweep_is_one_offline_run_for_each_seed(tracked: Disturbed, tried: Tried) -> None:
    tried("SIGKILL to a tracked sweep", 2)
    for _ in range(2):
        tracked.half_done()
        tracked.look()
        tracked.repair()
        runs = list(store.finished_runs(tracked.outputs / "main"))
        ids = {store.read_summary(run)["run_id"]: run for run in runs}
        files = sorted(tracked.outputs.glob("main/wandb/offline-run-*/*.wandb"))
        means = map(record.read, tracked.outputs.glob(f"main/*/{record.MEAN}"))
        of_conditions = [one.run_id for one in means if one is not None]
        named = Counter(file.stem.removeprefix("run-") for file in files)
        assert named == Counter([*ids, *of_conditions])
        for file in files:
            if (run_id := file.stem.removeprefix("run-")) in of_conditions:
                continue
            sent, run = points(read_back(file)[1]), ids[run_id]
            assert sent == in_files(run)
            assert {step for axis, step in sent if axis == "step"} == set(range(301))
        tracked = replace(tracked, folder=tracked.folder.with_name("again"), seen={})


def test_a_killed_service(tracked: Disturbed, tried: Tried) -> None:
    psutil = pytest.importorskip("psutil")
    command = tracked.start()
    services: list[Any] = []
    while command.poll() is None and not services:
        time.sleep(0.01)
        with suppress(psutil.NoSuchProcess):  # it has just ended
            below = psutil.Process(command.pid).children(recursive=True)
            services = [child for child in below if "wandb-core" in child.name()]
    assert services, tracked.stderr()
    tried("SIGKILL to W&B's service", len(services))
    for service in services:
        service.send_signal(signal.SIGKILL)
    assert command.wait(timeout=300) == 0, tracked.stderr()
    tracked.look()
    tracked.repair()
