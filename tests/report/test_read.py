"""Runs read back from folders with strangers, who are passed over, and damage, which is named."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from handmade_runs import SEEDS, write_experiment, write_run
from report_command import run_report

from subliminal import store
from subliminal.commands.reproduce import differences
from subliminal.report.__main__ import DAMAGED
from subliminal.report.read import load

NONE = "mitigation=none-00000000"
WRONG = {  # file to contents of another shape
    store.CONDITION: ["[]", "null", '{"seeds": ["a"]}', '{"seeds": [0], "config": []}', "{"],
    store.MARKER: ["[]", "7", '{"condition": "x"}', '{"seed": 1, "condition": []}', "{half"],
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_experiment(tmp_path_factory.mktemp("store") / "outputs" / "made")


@pytest.fixture
def experiment(made: Path, tmp_path: Path) -> Path:
    """A copy, to change."""
    return shutil.copytree(made, tmp_path / "outputs" / "made")


@pytest.mark.parametrize(
    ("name", "content"), [(name, content) for name, of in WRONG.items() for content in of]
)
def test_json_of_another_shape_is_named(
    experiment: Path,
    name: str,
    content: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    condition = experiment / NONE
    file = (condition if name == store.CONDITION else condition / "seed-0001") / name
    file.write_text(content)
    assert run_report(monkeypatch, experiment, "--text") == DAMAGED
    out, err = capsys.readouterr()
    assert err.count("\n") == 1
    assert err.startswith(f"damaged and left out: {file}")
    assert "none" in out
    assert "liminal" in out


@pytest.mark.parametrize("table", ["steps", "epochs"])
@pytest.mark.parametrize("change", ["no columns", "text", "short", "of another seed"])
def test_tables_of_another_shape_are_named(
    experiment: Path, table: str, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = experiment / NONE / "seed-0001"
    file = run / f"{table}.parquet"
    frame = pl.read_parquet(file)
    changed = {
        "no columns": pl.DataFrame({"x": [1]}),
        "text": frame.with_columns(pl.lit("a").alias("step")),
        "short": frame.head(3),
        "of another seed": frame.with_columns(seed=pl.lit(2)),
    }[change]
    changed.write_parquet(file)
    (sweep,) = load([experiment])
    if table == "steps" and change in ("short", "of another seed"):
        return  # only their checksums differ from whole ones', and a report does not read these
    assert [problem for problem in sweep.problems if str(run) in problem] == sweep.problems
    assert len(sweep.problems) == 1
    assert sweep.conditions[0].seeds == (0, 2, 3)
    assert run_report(monkeypatch, experiment, "--text") == DAMAGED


def test_strangers_change_no_byte_of_a_report(
    experiment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_report(monkeypatch, experiment.parent, "--text") == 0
    before = capsys.readouterr()
    for folder in (experiment.parent, experiment, experiment / NONE):
        (folder / ".DS_Store").write_bytes(b"\0\xff")
        (folder / "seed-0002.bak").mkdir()
    shutil.copytree(experiment / NONE / "seed-0002", experiment / NONE / "copy of seed-0002")
    assert run_report(monkeypatch, experiment.parent, "--text") == 0
    assert capsys.readouterr() == before


def test_experiments_are_found_at_any_depth_and_named_as_recorded(tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    for name in ("a", "a/b", "c/d/b"):
        for condition in SEEDS:
            write_run(outputs / name, condition, 0)
            record = outputs / name / f"{condition}-00000000" / store.CONDITION
            content = json.loads(record.read_text())
            content["config"]["name"] = name
            record.write_text(json.dumps(content))
    found = {sweep.name: sweep.directory for sweep in load([outputs])}
    assert found == {name: outputs / name for name in ("a", "a/b", "c/d/b")}
    moved = shutil.move(outputs / "c/d/b", outputs / "elsewhere")
    assert load([Path(moved)])[0].name == "elsewhere"


def test_paths_may_be_given_from_within(experiment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder, path in (
        (experiment / NONE / "seed-0001", "."),
        (experiment / NONE, "seed-0001"),
        (experiment / NONE, "."),
        (experiment, "."),
        (experiment, NONE),
        (experiment.parent, "."),
    ):
        monkeypatch.chdir(folder)
        (sweep,) = load([Path(path)])
        assert sweep.name == "made"
        assert os.path.realpath(sweep.directory) == str(experiment)


def test_reproduce_takes_the_spread_of_runs_alone(experiment: Path) -> None:
    run = experiment / NONE / "seed-0001"
    before = differences(run, run)
    shutil.copytree(run, run.with_name("seed-0001.bak"))
    assert differences(run, run) == before
    assert {row[0]: row[3] for row in before}["trait/accuracy"] == pytest.approx(0.1291, abs=1e-4)


def test_a_report_is_written_before_it_is_shown(experiment: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "subliminal.report", experiment],
        env={**os.environ, "PYTHONIOENCODING": "latin-1:strict"},
        capture_output=True,
        check=True,
    )
    assert b"none" in done.stdout
    assert (experiment / "report" / "index.html").is_file()
