"""A condition's own W&B run: means and intervals of its seeds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from wandb_online import points
from wandb_reader import records

from subliminal import store
from subliminal.report.statistics import mean_ci
from subliminal.trackers import record, sync

Command = Callable[..., tuple[int, str, str]]


def in_files(condition: Path) -> dict[tuple[str, float], dict[str, Any]]:
    """The points that the seeds' tables lead to: the teachers' epochs, then the students'."""
    every = pl.concat(
        [pl.read_parquet(run / "epochs.parquet") for run in store.run_dirs(condition)]
    )
    found: dict[tuple[str, float], dict[str, Any]] = {}
    for (phase, epoch, step), rows in every.group_by("phase", "epoch", "step"):
        row = found[("step", step) if phase == "student" else ("teacher/epoch", epoch)] = {}
        for name in (one for one in rows.columns if "/" in one and rows[one].count()):
            e = mean_ci(rows[name].to_list())
            row |= {name: e.mean, f"{name}/low": e.low, f"{name}/high": e.high}
    return found


def condition_runs(experiment: Path) -> list[list[dict[str, Any]]]:
    """The records of each offline run that is a condition's."""
    read = [records(file) for file in experiment.glob("wandb/offline-run-*/*.wandb")]
    return [of for of in read for one in of if one.get("run", {}).get("job_type") == "condition"]


def test_a_command_writes_it_once_when_all_seeds_are_finished(run: Command) -> None:
    words = ("tracker=wandb", "tracker.mode=offline", "probe=off")
    status, _, error = run(*words, "-m", "seed=0,1,2")  # three jobs of one condition
    assert status == 0, error
    (found,) = condition_runs(Path("outputs/main"))
    (condition,) = store.condition_dirs(Path("outputs/main"))
    (facts,) = [one["run"] for one in found if one["type"] == "run"]
    assert facts["run_group"] == condition.name
    assert facts["display_name"].endswith(" mean of 3")
    assert facts["config"]["update"]["seeds"] == [0, 1, 2]
    history = [one["history"]["item"] for one in found if one["type"] == "history"]
    assert points(history) == {
        place: pytest.approx(row) for place, row in in_files(condition).items()
    }
    kept = (condition / record.MEAN / record.FILE).read_bytes()
    assert run(*words, "seed=0-2")[0] == 0
    assert len(condition_runs(Path("outputs/main"))) == 1
    assert (condition / record.MEAN / record.FILE).read_bytes() == kept
    lacking, others = sync.lacking(Path("outputs/main"))
    assert condition / record.MEAN in lacking  # `sync` sends it, as a seed's
    assert not others
