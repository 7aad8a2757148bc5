"""Rows of a run for W&B, by hand: which are told, when, and under which names."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tracked_run import Tracked

from subliminal.trackers import client
from subliminal.trackers.client import Open, Tables


@dataclass
class FakeRun:
    """Keeps what is logged."""

    logged: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    axes: dict[str, str | None] = field(default_factory=dict)

    def log(self, row: dict[str, float], step: int) -> None:
        self.logged.append((step, row))

    def define_metric(
        self, name: str, step_metric: str | None = None, hidden: bool | None = None
    ) -> None:
        assert name not in self.axes
        self.axes[name] = step_metric


TABLES = Tables(
    teacher=[{"teacher/epoch": 0, "teacher/loss": 2.0}, {"teacher/epoch": 1, "teacher/loss": 1.0}],
    student=[(0, {"step": 0, "a": 1.0}), (1, {"step": 1, "a": 2.0, "b": 3.0}), (2, {"step": 2})],
    epochs=[],
)


def test_each_row_is_told_once_and_the_last_when_it_is_whole() -> None:
    run = FakeRun()
    told = Open(run, online=True)
    told.log(TABLES, whole=False)
    assert [step for step, _ in run.logged] == [0, 1, 2, 3]
    told.log(TABLES, whole=False)
    assert len(run.logged) == 4
    told.log(TABLES, whole=True)
    assert run.logged == [
        (0, TABLES.teacher[0]),
        (1, TABLES.teacher[1]),
        (2, {"step": 0, "a": 1.0}),
        (3, {"step": 1, "a": 2.0, "b": 3.0}),
        (4, {"step": 2}),
    ]
    assert run.axes == {
        **{"teacher/epoch": None, "teacher/loss": "teacher/epoch"},
        **{"step": None, "a": "step", "b": "step"},
    }


def test_rows_that_the_server_has_are_not_told_again() -> None:
    run = FakeRun()
    Open(run, online=True, first=3).log(TABLES, whole=True)
    assert [step for step, _ in run.logged] == [3, 4]


def test_tables_are_read_as_they_are_written(tracked: Tracked) -> None:
    for directory in tracked.directories.values():
        tables = client.read_tables(directory)
        steps = pl.read_parquet(directory / "steps.parquet")
        assert [step for step, _ in tables.student] == steps["step"].to_list()
        for name in set(steps.columns) - {"seed", "step", "epoch"}:
            column = [row.get(name) for _, row in tables.student]
            assert column == steps[name].to_list(), name
        assert [row["epoch"] for row in tables.epochs] == [0, 1, 2]
        assert [row["teacher/epoch"] for row in tables.teacher] == [0, 1, 2]
    assert client.read_tables(tracked.outputs) == Tables([], [], [])


def test_summary_by_hand() -> None:
    rows: list[dict[str, float]] = [
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
    names = [
        client.short_name(name, digest, f" seed {seed}") for digest in ("0badcafe", "1badcafe")
    ]
    assert all(len(n) <= 128 for n in names)
    assert all(n.endswith(f" seed {seed}") for n in names)
    if len(f"{name} seed {seed}") <= 128:
        assert names[0] == f"{name} seed {seed}"
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
def test_an_error_that_the_client_only_writes_down_is_raised(
    tmp_path: Path, level: str, fails: bool
) -> None:
    log = tmp_path / "debug-internal.log"
    log.write_text(json.dumps({"level": level, "msg": "filestream: fatal error: HTTP 403"}) + "\n")
    codes: list[int] = []

    class Ended:
        class settings:
            log_internal, sync_file, mode = str(log), str(tmp_path / "run.wandb"), "online"

        def finish(self, exit_code: int) -> None:
            codes.append(exit_code)

    run: Any = Ended()
    if fails:
        with pytest.raises(RuntimeError, match="HTTP 403"):
            client.finish(run, 1)
    else:
        client.finish(run, 1)
    assert codes == [1]
    assert (tmp_path / "run.wandb.synced").exists() != fails
