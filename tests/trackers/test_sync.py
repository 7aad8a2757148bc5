"""Uploading an experiment later: what is selected, without a server."""

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tracked_run import SEEDS, Tracked

from subliminal import store
from subliminal.report.wandb_report import log_report
from subliminal.trackers import record, sync


def would_sync(folder: Path) -> int:
    wandb = Path(sys.executable).parent / "wandb"
    done = subprocess.run(
        [wandb, "sync", "--dry-run", folder], capture_output=True, text=True, check=True
    )
    match = re.search(r"Would sync (\d+) run", done.stderr + done.stdout)
    return int(match[1]) if match else 0


@pytest.fixture
def experiment(tracked: Tracked, tmp_path: Path) -> Path:
    """A copy of the experiment, to change."""
    return Path(shutil.copytree(tracked.outputs / "main", tmp_path / "main"))


def test_what_was_uploaded_is_not_uploaded_again(experiment: Path) -> None:
    """A report's run is uploaded by W&B's own command."""
    runs = list(store.finished_runs(experiment))
    assert would_sync(experiment / "wandb") == len(SEEDS)
    for left, run in enumerate(runs):
        assert sync.lacking(experiment) == (runs[left:], [])
        found = record.read(run)
        assert found is not None
        (file,) = experiment.glob(f"wandb/*-{found.run_id}/*.wandb")
        file.with_suffix(".wandb.synced").touch()
        replace(found, uploaded=True).write(run)
    assert sync.lacking(experiment) == ([], [])
    assert would_sync(experiment / "wandb") == 0
    assert log_report(experiment, {}, {}) is not None
    none, (report,) = sync.lacking(experiment)
    assert not none
    (report / "run.wandb.synced").touch()
    assert sync.lacking(experiment) == ([], [])


def test_a_run_that_is_being_trained_is_left_out(experiment: Path) -> None:
    first, second = store.finished_runs(experiment)
    (first / store.MARKER).unlink()
    lock = store.claim(first)
    assert lock is not None
    assert sync.lacking(experiment) == ([second], [])
    lock.release()
    assert sync.lacking(experiment) == ([first, second], [])


def test_no_folder_is_one_line(
    experiment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    there = experiment.with_name("nothing")
    monkeypatch.setattr(sys, "argv", ["sync", str(there)])
    with pytest.raises(SystemExit, match="2"):
        sync.main()
    why = f"no such folder; in {experiment.parent}: there is main"
    assert capsys.readouterr().err == f"error: {there}: {why}\n"
