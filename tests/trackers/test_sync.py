"""Uploading an experiment later: what is selected, without a server."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tracked_run import SEEDS, Tracked

from subliminal import store, sync
from subliminal.report.wandb_report import log_report
from subliminal.trackers import note


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
    runs = list(store.finished_runs(experiment))
    for left, run in enumerate(runs):
        assert sync.lacking(experiment) == (runs[left:], [])
        assert would_sync(experiment / "wandb") == len(SEEDS) - left
        found = note.read(run)
        assert found is not None
        (file,) = experiment.glob(f"wandb/*-{found.run_id}/*.wandb")
        file.with_suffix(".wandb.synced").touch()
        found.but(uploaded=True).write(run)
    assert sync.lacking(experiment) == ([], [])
    assert would_sync(experiment / "wandb") == 0


def test_a_run_that_is_being_trained_is_left_out(experiment: Path) -> None:
    first, second = store.finished_runs(experiment)
    (first / store.MARKER).unlink()
    lock = store.claim(first)
    assert lock is not None
    assert sync.lacking(experiment) == ([second], [])
    lock.release()
    assert sync.lacking(experiment) == ([first, second], [])


def test_a_reports_run_is_uploaded_by_wandbs_own_command(experiment: Path) -> None:
    assert log_report(experiment, {}, {}) is not None
    runs, (report,) = sync.lacking(experiment)
    assert len(runs) == len(SEEDS)
    (report / "run.wandb.synced").touch()
    assert sync.lacking(experiment) == (runs, [])


def test_a_dry_run_lists_them(
    experiment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["sync", "--dry-run", str(experiment)])
    with pytest.raises(SystemExit) as ended:
        sync.main()
    assert ended.value.code == 0
    expected = [str(run) for run in store.finished_runs(experiment)]
    assert capsys.readouterr().out.splitlines() == expected


def test_bad_input_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["sync", str(tmp_path / "nothing")])
    with pytest.raises(SystemExit) as ended:
        sync.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        f"error: {tmp_path}/nothing: no such folder; name an experiment below outputs\n"
    )
