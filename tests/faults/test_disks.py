"""Disks that are full or may not be written: a sweep says so, and a rerun makes good for it."""

import shutil
from pathlib import Path

import pytest
from fault_injection import Account, Disturbed, read_only, remount, small_disk

from subliminal import store

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("share", [0.1, 0.6, 0.9, 1.0])
def test_a_full_disk(sweep: Disturbed, cost: Account, share: float) -> None:
    account = cost("full disk")
    with small_disk(sweep.folder, int(share * sweep.whole.size)):
        status = sweep.run()
        if status != 0:
            assert "No space left" in sweep.stderr(), sweep.stderr()
        sweep.look(account)
        remount(sweep.folder, "size=64m")
        sweep.repair(account)


def test_a_folder_that_may_not_be_written(sweep: Disturbed, cost: Account) -> None:
    account = cost("read-only folder")
    (sweep.outputs / "main").mkdir(parents=True)
    with read_only(sweep.outputs / "main"):
        assert sweep.run() != 0
        assert sweep.stderr().splitlines()[-1].startswith("error: ")
        assert "Traceback" not in sweep.stderr()
    sweep.repair(account)


def test_a_disk_that_became_read_only(sweep: Disturbed, half_done: Path, cost: Account) -> None:
    account = cost("file system remounted read-only")
    with small_disk(sweep.folder, 64 * 2**20):
        shutil.copytree(half_done, sweep.outputs)
        sweep.look(account)
        (sweep.folder / "stderr.txt").touch()
        remount(sweep.folder, "ro")
        before = sweep.seen
        command = Disturbed(
            sweep.folder.parent / "beside", sweep.whole, (f"outputs={sweep.outputs}",)
        )
        assert command.run() != 0
        assert command.stderr().splitlines()[-1].startswith("error: ")
        assert "Traceback" not in command.stderr()
        sweep.look(account)
        assert sweep.seen == before
        remount(sweep.folder, "rw")
        sweep.repair(account)


@pytest.mark.parametrize("which", ["finished runs", "resumed runs", "checkpoints", "teachers"])
def test_files_that_may_not_be_written(
    sweep: Disturbed, half_done: Path, cost: Account, which: str
) -> None:
    shutil.copytree(half_done, sweep.outputs)
    runs = sorted(sweep.outputs.glob("main/*/seed-*"))
    paths = {
        "finished runs": [run for run in runs if store.finished(run)],
        "resumed runs": [run for run in runs if not store.finished(run)][:1],
        "checkpoints": sorted(sweep.outputs.glob("main/*/*/checkpoint.safetensors"))[:1],
        "teachers": [sweep.outputs / "teachers"],
    }[which]
    assert paths
    account = cost(f"read-only {which}", len(paths))
    sweep.look(account)
    for path in paths:
        with read_only(path):
            status = sweep.run()
            if which == "finished runs":
                assert status == 0, sweep.stderr()
            sweep.look(account)
    sweep.repair(account)
