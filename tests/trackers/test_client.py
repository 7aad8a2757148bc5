"""Rows of a run for W&B, by hand: which are logged, when, and under which names."""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tracked_run import Tracked

from subliminal.trackers import client

Row = dict[str, float]


@dataclass
class FakeRun:
    """Keeps what is logged."""

    name: str = "a"
    logged: dict[int, Row] = field(default_factory=dict)
    axes: dict[str, str | None] = field(default_factory=dict)
    summary: Row = field(default_factory=dict)

    def log(self, row: Row, step: int) -> None:
        assert step not in self.logged
        self.logged[step] = row

    def define_metric(
        self, name: str, step_metric: str | None = None, hidden: bool | None = None
    ) -> None:
        assert name not in self.axes
        assert (step_metric is None) == bool(hidden)
        self.axes[name] = step_metric


def test_each_row_is_logged_once_and_the_last_when_it_is_complete(
    tracked: Tracked, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tracked.directories[3], tmp_path / "run"))
    whole = pl.read_parquet(folder / "steps.parquet")
    shift, run, resumed = 3, FakeRun(), FakeRun()  # the teacher's epochs come first
    session = client.Session(run)
    for steps, complete, told in ((5, False, 4), (5, False, 4), (11, False, 10), (11, True, 11)):
        whole.head(steps).write_parquet(folder / "steps.parquet")
        session.update(folder, complete=complete)
        assert list(run.logged) == list(range(shift + told))
        assert bool(run.summary) == complete
    assert [run.logged[step]["teacher/epoch"] for step in range(shift)] == [0, 1, 2]
    names = set(whole.columns) - {"seed", "step", "epoch"}
    for name in {*names, "step"}:
        assert [run.logged[shift + row].get(name) for row in range(11)] == whole[name].to_list()
    metrics = ("teacher/accuracy", "teacher/loss", "teacher/test_loss")
    teachers = dict.fromkeys(metrics, "teacher/epoch")
    own = {"step": None, "teacher/epoch": None}
    assert run.axes == {**own, **teachers, **dict.fromkeys(names, "step")}
    client.Session(resumed, first=shift + 3).update(folder, complete=True)
    assert resumed.logged == {k: row for k, row in run.logged.items() if k >= shift + 3}
    assert client.read_tables(tracked.outputs) == ([], [])


def test_summary_by_hand() -> None:
    rows: list[Row] = [
        {"epoch": 0, "step": 0, "trait/accuracy": 0.1},
        {"epoch": 1, "step": 5, "trait/accuracy": 0.5, "distill/loss": 2, "alignment/cosine": 0.25},
        {"epoch": 2, "step": 10, "trait/accuracy": 0.4, "distill/loss": 1},
    ]
    assert client.summary(rows) == {
        "final/trait/accuracy": 0.4,
        "best/trait/accuracy": 0.5,
        "final/distill/loss": 1,
        "epoch_1/alignment/cosine": 0.25,
    }


@given(st.text(min_size=1, max_size=300), st.integers(0, 10**9))
def test_names_fit_and_stay_apart(name: str, seed: int) -> None:
    digests, suffix = ("0badcafe", "1badcafe"), f" seed {seed}"
    names = [client.short_name(name, digest, suffix) for digest in digests]
    assert all(len(short) <= 128 and short.endswith(suffix) for short in names)
    if len(name + suffix) <= 128:
        assert names[0] == name + suffix
    else:
        assert names[0] != names[1]


def test_local_copies_are_removed_unless_they_were_uploaded(tmp_path: Path) -> None:
    for name in ("offline-run-1-three", "run-2-three", "run-3-three", "run-4-four"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.wandb").touch()
    (tmp_path / "run-3-three" / "run.wandb.synced").touch()
    client.remove_local(tmp_path, "three")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run-3-three", "run-4-four"]


@pytest.mark.parametrize(("level", "fails"), [("INFO", False), ("ERROR", True), ("ERROR+4", True)])
def test_an_error_that_the_client_only_logs_is_raised(
    tmp_path: Path, level: str, fails: bool
) -> None:
    log = tmp_path / "debug-internal.log"
    log.write_text(json.dumps({"level": level, "msg": "filestream: fatal error: HTTP 403"}) + "\n")
    codes: list[int] = []
    files = {"log_internal": str(log), "sync_file": str(tmp_path / "run.wandb")}
    run = SimpleNamespace(finish=codes.append, settings=SimpleNamespace(**files, mode="online"))
    if fails:
        with pytest.raises(RuntimeError, match="HTTP 403"):
            client.finish(run, 1)
    else:
        client.finish(run, 1)
    assert codes == [1]
    assert (tmp_path / "run.wandb.synced").exists() != fails
