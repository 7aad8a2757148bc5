"""Runs as frames of Polars."""

from dataclasses import FrozenInstanceError
from pathlib import Path

import polars as pl
import pytest
from api_calls import TrainedByApi
from handmade_runs import EPOCHS, PER_EPOCH, accuracy, write_experiment, write_run

import subliminal as sl

KEYS = ["mitigation", "optim.lr"]


def test_every_frame_tells_what_varies(grid: sl.Runs) -> None:
    assert grid.runs.columns[:4] == ["condition", *KEYS, "seed"]
    assert grid.epochs.columns[:4] == grid.steps.columns[:4] == grid.runs.columns[:4]
    assert grid.runs.schema["optim.lr"] == pl.Float64
    assert [frame.height for frame in (grid.runs, grid.epochs, grid.steps)] == [
        16,
        16 * 2 * (EPOCHS + 1),
        16 * EPOCHS * PER_EPOCH,
    ]
    for mitigation, seed, final in grid.runs.select(
        "mitigation", "seed", "trait/accuracy"
    ).iter_rows():
        assert final == accuracy(f"mitigation={mitigation}", seed)[-1]
    assert len(grid) == 16
    assert repr(grid).startswith("<16 runs of made: ")


def test_steps_have_all_that_was_measured(trained_by_api: TrainedByApi) -> None:
    runs = trained_by_api.runs
    files = [pl.read_parquet(run.folder / "steps.parquet") for run in runs]
    assert {*runs.steps.columns} >= {*files[0].columns, "condition", "distill.init"}
    assert runs.steps.select(files[0].columns).equals(pl.concat(files))
    assert runs[2].steps.equals(files[2])
    assert runs.epochs.filter(pl.col("phase") == "teacher").height == 4 * 3


def test_a_run_is_what_its_files_say_and_does_not_change(trained_by_api: TrainedByApi) -> None:
    run = trained_by_api.runs[1]
    assert run.config["seed"] == {"spec": "1"}
    assert run.config["distill"]["init"]["_target_"].endswith(".Shared")
    assert run.summary["seed"] == run.seed == 1
    alone = sl.load(run.folder)[0]
    assert (alone.folder, alone.seed, alone.results) == (run.folder, 1, run.results)
    with pytest.raises(FrozenInstanceError):
        run.seed = 2  # type: ignore[misc]
    assert trained_by_api.runs[:2] == (trained_by_api.runs[0], run)


def test_runs_of_several_experiments_are_one_table(tmp_path: Path) -> None:
    write_experiment(tmp_path / "a")
    write_run(tmp_path / "b", "mitigation=none", 9)
    runs = sl.load(tmp_path / "a", tmp_path / "b")
    assert sorted(set(runs.runs["experiment"])) == ["a", "b"]
    assert len(runs) == len(sl.load(tmp_path)) == 9


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(sl.UserError, match="no finished run below; train first"):
        sl.load(tmp_path)
    with pytest.raises(sl.UserError, match="folders are needed"):
        sl.load()
    write_experiment(tmp_path / "a")
    next(tmp_path.rglob("steps.parquet")).write_text("")
    with pytest.warns(UserWarning, match="damaged and left out: .*steps.parquet"):
        runs = sl.load(tmp_path)
    assert len(runs) == len(runs.runs) == 7
