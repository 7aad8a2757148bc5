"""W&B runs, read back with W&B's own reader, and what happens when W&B fails."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import small
import wandb
from field_checks import check
from jobs import Watcher
from omegaconf import DictConfig
from resolved import train_config
from tracked_run import KEY, SEEDS, Tracked
from wandb_reader import read_back, records

from subliminal import store
from subliminal.errors import UserError
from subliminal.state.callbacks.progress import Event
from subliminal.sweep.console import Console
from subliminal.trackers import note
from subliminal.trackers import wandb as tracker

Compose = Callable[[list[str]], DictConfig]
TRACKED = ["engine.workers=1", "seed=3-4", "tracker=wandb", "tracker.mode=offline"]


def of_type(file: Path, kind: str) -> list[dict[str, Any]]:
    return [record[kind] for record in records(file) if record["type"] == kind]


def test_one_run_for_each_seed(tracked: Tracked) -> None:
    assert sorted(tracked.files) == list(SEEDS)
    for seed, file in tracked.files.items():
        (run,) = of_type(file, "run")
        assert run["run_id"] == store.read_summary(tracked.directories[seed])["run_id"]
        assert [record["exit_code"] for record in of_type(file, "exit")] == [0]


def test_a_run_tells_its_condition(tracked: Tracked) -> None:
    for seed, file in tracked.files.items():
        (run,) = of_type(file, "run")
        assert run["project"] == "subliminal"
        assert run["run_group"] == tracked.directories[seed].parent.name
        assert run["job_type"] == "train"
        assert run["display_name"] == f"mitigation=liminal seed {seed}"
        assert run["tags"] == ["paper", "small"]
        settings = run["config"]["update"]
        assert settings["seed"] == seed
        assert settings["experiment"] == "main"
        assert settings["condition"] == "mitigation=liminal"
        assert settings["mitigations"] == "liminal"
        assert settings["model"]["hidden"] == [12, 8]
        assert "git_commit" in settings


def test_history_is_the_table_of_steps(tracked: Tracked) -> None:
    for seed, file in tracked.files.items():
        steps = pl.read_parquet(tracked.directories[seed] / "steps.parquet")
        _, history = read_back(file)
        names = set(steps.columns) - {"seed", "step", "epoch"}
        prefixes = {name.split("/")[0] for name in names}
        assert {"alignment", "displacement", "ledger", "update", "trait", "train"} <= prefixes
        for name in names:
            known = steps.filter(pl.col(name).is_not_null())
            ours = dict(zip(known["step"].to_list(), known[name].to_list(), strict=True))
            theirs = {row["step"]: row[name] for row in history if name in row}
            assert theirs == ours, name
        logged = {name for row in history for name in row if not name.startswith(("_", "teacher/"))}
        assert logged - {"step"} == names


def test_history_holds_the_teachers_epochs(tracked: Tracked) -> None:
    for seed, file in tracked.files.items():
        epochs = pl.read_parquet(tracked.directories[seed] / "epochs.parquet")
        teacher = epochs.filter(pl.col("phase") == "teacher")
        rows = [row for row in read_back(file)[1] if "teacher/epoch" in row]
        assert [row["teacher/epoch"] for row in rows] == teacher["epoch"].to_list()
        accuracies = [row["teacher/accuracy"] for row in rows]
        assert accuracies == teacher["teacher/accuracy"].to_list()
        assert not any("step" in row for row in rows)


def test_metrics_are_drawn_over_steps_and_the_teachers_over_epochs(tracked: Tracked) -> None:
    axes = {
        metric["name"]: metric.get("step_metric")
        for metric in of_type(tracked.files[3], "metric")
        if metric.get("step_metric")
    }
    assert axes["alignment/cosine"] == axes["trait/accuracy"] == "step"
    assert axes["teacher/accuracy"] == axes["teacher/loss"] == "teacher/epoch"


def test_summary_holds_accuracy_and_mean_alignment_by_epoch(tracked: Tracked) -> None:
    for seed, file in tracked.files.items():
        shown: dict[str, Any] = {}
        for record in of_type(file, "summary"):
            shown |= record["update"]
        results = store.read_summary(tracked.directories[seed])["results"]
        assert shown["final/trait/accuracy"] == results["trait/accuracy"]
        assert shown["best/trait/accuracy"] == results["trait/accuracy_best"]
        assert shown["final/distill/loss"] == results["distill/loss"]
        assert [shown[f"epoch_{epoch}/alignment/cosine"] for epoch in (1, 2)] == (
            results["alignment/cosine_by_epoch"]
        )


def test_the_key_is_nowhere_in_the_files(tracked: Tracked) -> None:
    files = [path for path in tracked.outputs.rglob("*") if path.is_file()]
    assert len(files) > 10
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []


@pytest.fixture
def login(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Says whether the user is logged in."""
    monkeypatch.delenv("WANDB_MODE", raising=False)

    def arrange(logged_in: bool) -> None:
        monkeypatch.setattr(wandb, "login", lambda **_: logged_in)

    return arrange


@pytest.mark.parametrize(("logged_in", "mode"), [(False, "offline"), (True, "online")])
def test_auto_goes_by_the_login(login: Callable[[bool], None], logged_in: bool, mode: str) -> None:
    login(logged_in)
    assert tracker.settled_mode("auto") == mode


@pytest.mark.parametrize(
    ("named", "mode"),
    [
        ("online", "online"),
        ("run", "online"),
        ("offline", "offline"),
        ("dryrun", "offline"),
        ("disabled", "disabled"),
        ("", "online"),
    ],
)
def test_wandb_mode_decides_for_auto(
    login: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch, named: str, mode: str
) -> None:
    login(True)
    monkeypatch.setenv("WANDB_MODE", named)
    assert tracker.settled_mode("auto") == mode
    assert tracker.settled_mode("offline") == "offline"  # what is named beats it
    assert tracker.settled_mode("online") == "online"


def test_what_cannot_be_is_told_before_training(
    login: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    login(False)
    with pytest.raises(UserError, match=r"tracker\.mode=online: W&B finds no key"):
        tracker.settled_mode("online")
    monkeypatch.setenv("WANDB_MODE", "shared")
    with pytest.raises(UserError, match="WANDB_MODE=shared: one of online, run, offline"):
        tracker.settled_mode("auto")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mode": "of"}, r"tracker\.mode=of: one of auto, online, offline"),
        ({"finish_timeout": 0.0}, r"tracker\.finish_timeout=0\.0: a number > 0"),
        ({"project": "a/b"}, r"tracker\.project=a/b: "),
        ({"project": "a" * 129}, r"tracker\.project=a"),
        ({"tags": ["fine", ""]}, r"tracker\.tags=: 1 to 64"),
    ],
)
def test_what_wandb_would_refuse_is_refused(changes: dict[str, Any], message: str) -> None:
    fine: dict[str, Any] = {"project": "p", "entity": None, "mode": "auto", "tags": []}
    tracker.WandB(**fine, finish_timeout=1.0)
    with pytest.raises(UserError, match=message):
        check(tracker.WandB(**{**fine, "finish_timeout": 1.0, **changes}), "tracker")


def test_a_job_says_how_to_upload_once(
    compose: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cfg = compose([*small.OVERRIDES, *TRACKED, f"outputs={tmp_path}"])
    train_config(cfg, "mitigation=none", Console())
    assert capsys.readouterr().err.count(f"python -m subliminal.sync {tmp_path}/main") == 1


def test_a_run_that_was_interrupted_is_one_offline_run(compose: Compose, tmp_path: Path) -> None:
    """It has every row once, in one folder, under the id that it began with."""
    cut = [True]

    def press(event: Event) -> None:
        if cut[0] and event.phase == "student" and event.step >= 8:
            raise KeyboardInterrupt

    words = [*small.OVERRIDES, *TRACKED, "seed.spec='3'", f"outputs={tmp_path}"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("subliminal.state.callbacks.progress.INTERVAL", 0.0)
        with pytest.raises(KeyboardInterrupt):
            train_config(compose(words), "mitigation=none", Watcher(event=press))
    (directory,) = tmp_path.glob("main/*/seed-0003")
    first = note.read(directory)
    assert first is not None
    assert (first.exit_code, first.whole, first.uploaded) == (note.INTERRUPTED, False, False)
    cut[0] = False
    train_config(compose(words), "mitigation=none", Console())
    summary = store.read_summary(directory)
    assert summary["resumed"] == [5]
    assert summary["run_id"] == first.run_id
    (file,) = tmp_path.glob("main/wandb/offline-run-*/*.wandb")
    assert file.stem == f"run-{first.run_id}"

    words[-1] = f"outputs={tmp_path / 'whole'}"
    train_config(compose(words), "mitigation=none", Console())
    (whole,) = tmp_path.glob("whole/main/wandb/offline-run-*/*.wandb")
    assert history_of(file) == history_of(whole)


def history_of(file: Path) -> list[dict[str, float]]:
    """A run's rows, without the times at which they were logged."""
    _, history = read_back(file)
    return [
        {k: v for k, v in row.items() if k not in ("_timestamp", "_runtime")} for row in history
    ]


def test_a_worker_notes_the_command_that_it_works_for(monkeypatch: pytest.MonkeyPatch) -> None:
    own = note.command()
    assert own.endswith(f":{os.getpid()}")
    monkeypatch.setattr(note, "_parent", None)
    note.serve(7)
    assert note.command().endswith(":7")
