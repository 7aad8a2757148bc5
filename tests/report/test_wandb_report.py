"""The run of an experiment's report, read back with W&B's own reader."""

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from matplotlib.image import imsave
from tracked_run import Tracked
from wandb_reader import records

from subliminal import store
from subliminal.report.wandb_report import log_report

TABLES = {
    "Verdicts": pl.DataFrame({"claim": ["a", "b", "c"], "verdict": ["holds", "refuted", "holds"]}),
    "Results, after each epoch": pl.DataFrame({"condition": ["x"], "n": ["2"]}),
    "Ledger": pl.DataFrame(),
}


@pytest.fixture
def experiment(tracked: Tracked, tmp_path: Path) -> Path:
    """A copy of the experiment, to add to."""
    return Path(shutil.copytree(tracked.outputs / "main", tmp_path / "main"))


@pytest.fixture
def figures(tmp_path: Path) -> dict[str, Path]:
    imsave(tmp_path / "main_training.png", [[0.0, 1.0]])
    return {"Left: alignment.": tmp_path / "main_training.png"}


def report_runs(experiment: Path) -> list[tuple[Path, list[dict[str, Any]]]]:
    found = []
    for file in sorted(experiment.glob("wandb/offline-run-*/*.wandb")):
        read = records(file)
        (run,) = [record["run"] for record in read if record["type"] == "run"]
        if run["job_type"] == "report":
            found.append((file.parent, read))
    return found


def test_tables_figures_and_verdicts_are_logged_with_the_seeds_runs_as_one_run(
    experiment: Path, figures: dict[str, Path]
) -> None:
    log_report(experiment, TABLES, figures)
    ((first, _),) = report_runs(experiment)
    line = log_report(experiment, TABLES, figures)
    assert line is not None
    assert line.startswith("W&B: report run")
    ((folder, read),) = report_runs(experiment)
    assert first.name.split("-")[-1] == folder.name.split("-")[-1]
    (run,) = [record["run"] for record in read if record["type"] == "run"]
    runs = [*store.finished_runs(experiment)]
    ids = [store.read_summary(path)["run_id"] for path in runs]
    assert run["config"]["update"]["run_ids"] == ids
    assert set(run["config"]["update"]["groups"]) == {path.parent.name for path in runs}
    (row,) = [record["history"]["item"] for record in read if record["type"] == "history"]
    names = {name.split(".")[0] for name in row if not name.startswith("_")}
    expected = {"tables/verdicts", "tables/results", "tables/seeds", "figures/main_training"}
    assert expected <= names
    summary: dict[str, Any] = {}
    for record in read:
        if record["type"] == "summary":
            summary |= record["summary"]["update"]
    assert (summary["verdicts/holds"], summary["verdicts/refuted"]) == (2, 1)
    (table,) = folder.glob("files/media/table/tables/seeds_*.table.json")
    content = json.loads(table.read_text())
    assert [row[content["columns"].index("run_id")] for row in content["data"]] == ids


@pytest.mark.slow
def test_an_uploaded_copy_is_kept(experiment: Path) -> None:
    log_report(experiment, TABLES, {})
    ((first, _),) = report_runs(experiment)
    mark = next(first.glob("*.wandb")).with_suffix(".wandb.synced")
    mark.touch()
    log_report(experiment, TABLES, {})
    assert mark.exists()
    assert [first.name in str(folder) for folder, _ in report_runs(experiment)].count(True) == 1


def test_a_report_is_logged_where_a_run_was_tracked(experiment: Path) -> None:
    for run in reversed([*store.finished_runs(experiment)]):
        assert log_report(experiment, TABLES, {})
        text = (run / "config.yaml").read_text()
        cut = text.replace("subliminal.trackers.wandb.WandB", "mine.Tracker")
        assert cut != text
        (run / "config.yaml").write_text(cut)
    assert log_report(experiment, TABLES, {}) is None


def test_a_failure_of_wandb_is_one_line(experiment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_SERVICE", "3-1-tcp-localhost-9")  # nobody listens there
    line = log_report(experiment, TABLES, {})
    assert line is not None
    assert line.startswith("W&B failed, the report's files are complete without it: ")
    assert "\n" not in line
