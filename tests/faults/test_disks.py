"""Disks that are full or may not be written: a sweep says so, and a rerun makes good for it."""

import shutil
from pathlib import Path

import pytest
from fault_injection import Disturbed, Tried, read_only, remount, small_disk

from subliminal import store

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("share", [0.1, 0.6, 0.9, 1.0])
def test_a_full_disk(sweep: Disturbed, tried: Tried, share: float) -> None:
    tried("full disk")
    with small_disk(sweep.folder, int(share * sweep.whole.size)):
        status = sweep.run()
        if status != 0:
            assert "No space left" in sweep.stderr(), sweep.stderr()
        sweep.look()
        remount(sweep.folder, "size=64m")
        sweep.repair()


def test_a_folder_that_may_not_be_written(sweep: Disturbed, tried: Tried) -> None:
    tried("read-only folder")
    (sweep.outputs / "main").mkdir(parents=True)
    with read_only(sweep.outputs / "main"):
        assert sweep.run() != 0
        assert sweep.stderr().splitlines()[-1].startswith("error: ")
        assert "Traceback" not in sweep.stderr()
    sweep.repair()


def test_a_disk_that_became_read_only(sweep: Disturbed, half_done: Path, tried: Tried) -> None:
    tried("file system remounted read-only")
    with small_disk(sweep.folder, 64 * 2**20):
        shutil.copytree(half_done, sweep.outputs)
        sweep.look()
        (sweep.folder / "stderr.txt").touch()
        remount(sweep.folder, "ro")
        before = sweep.seen
        command = Disturbed(
            sweep.folder.parent / "beside", sweep.whole, (f"outputs={sweep.outputs}",)
        )
        assert command.run() != 0
        assert command.stderr().splitlines()[-1].startswith("error: ")
        assert "Traceback" not in command.stderr()
        sweep.look()
        assert sweep.seen == before
        remount(sweep.folder, "rw")
        sweep.repair()


@pytest.mark.parametrize("which", ["finished runs", "resumed runs", "checkpoints", "teachers"])
def test_files_that_may_not_be_written(
    sweep: Disturbed, half_done: Path, tried: Tried, which: str
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
    tried(f"read-only {which}", len(paths))
    sweep.look()
    for path in paths:
        with read_only(path):
            status = sweep.run()
            if which == "finished runs":
                assert status == 0, sweep.stderr()
            sweep.look()
    sweep.repair()
