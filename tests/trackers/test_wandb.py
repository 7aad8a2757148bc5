"""W&B runs, read back with W&B's own reader, and what happens when W&B fails."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import small
import wandb
from jobs import RecordingConsole
from omegaconf import DictConfig
from resolved import check, train_config
from tracked_run import KEY, SEEDS, Tracked
from wandb_online import in_files, points
from wandb_reader import read_back, records

from subliminal import store
from subliminal.errors import UserError
from subliminal.state.callbacks.progress import Event
from subliminal.sweep.console import Console
from subliminal.trackers import record
from subliminal.trackers import wandb as tracker

Compose = Callable[[list[str]], DictConfig]
TRACKED = ["engine.workers=1", "seed=3", "tracker=wandb", "tracker.mode=offline"]


def of_type(file: Path, kind: str) -> list[dict[str, Any]]:
    return [record[kind] for record in records(file) if record["type"] == kind]


def test_one_run_for_each_seed_tells_its_condition(tracked: Tracked) -> None:
    assert sorted(tracked.files) == list(SEEDS)
    for seed, file in tracked.files.items():
        (run,) = of_type(file, "run")
        assert run["run_id"] == store.read_summary(tracked.directories[seed])["run_id"]
        assert [ended["exit_code"] for ended in of_type(file, "exit")] == [0]
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


def test_history_is_the_tables_and_summary_their_results(tracked: Tracked) -> None:
    for seed, file in tracked.files.items():
        folder = tracked.directories[seed]
        _, history = read_back(file)
        assert points(history) == in_files(folder)
        names = {name for row in history for name in row}
        prefixes = {name.split("/")[0] for name in names}
        assert {"alignment", "displacement", "ledger", "update", "trait", "train"} <= prefixes
        assert "teacher/accuracy" in names
        assert not any("step" in row for row in history if "teacher/epoch" in row)
        shown: dict[str, Any] = {}
        for change in of_type(file, "summary"):
            shown |= change["update"]
        results = store.read_summary(folder)["results"]
        assert shown["final/trait/accuracy"] == results["trait/accuracy"]
        assert shown["best/trait/accuracy"] == results["trait/accuracy_best"]
        assert shown["final/distill/loss"] == results["distill/loss"]
        assert [shown[f"epoch_{epoch}/alignment/cosine"] for epoch in (1, 2)] == (
            results["alignment/cosine_by_epoch"]
        )
    axes = {metric["name"]: metric.get("step_metric") for metric in of_type(file, "metric")}
    assert axes["alignment/cosine"] == axes["trait/accuracy"] == "step"
    assert axes["teacher/accuracy"] == axes["teacher/loss"] == "teacher/epoch"


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


@pytest.mark.parametrize(
    ("named", "logged_in", "mode"),
    [
        (None, False, "offline"),
        (None, True, "online"),
        ("", True, "online"),
        ("online", True, "online"),
        ("run", True, "online"),
        ("offline", True, "offline"),
        ("dryrun", True, "offline"),
        ("disabled", True, "disabled"),
    ],
)
def test_wandb_mode_and_the_login_decide_for_auto(
    login: Callable[[bool], None],
    monkeypatch: pytest.MonkeyPatch,
    named: str | None,
    logged_in: bool,
    mode: str,
) -> None:
    login(logged_in)
    if named is not None:
        monkeypatch.setenv("WANDB_MODE", named)
    assert tracker.settled_mode("auto") == mode
    assert tracker.settled_mode("offline") == "offline"  # what is named beats it
    if logged_in:
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
        ({"tags": ["fine", ""]}, r"tracker\.tags=: use 1 to 64"),
        ({"tags": ["t" * 65]}, r"tracker\.tags=t+: use 1 to 64"),
    ],
)
def test_what_wandb_would_refuse_is_refused(changes: dict[str, Any], message: str) -> None:
    longest = {"project": "p" * 128, "tags": ["t" * 64]}
    fine: dict[str, Any] = {**longest, "entity": None, "mode": "auto"}
    tracker.WandB(**fine, finish_timeout=1.0)
    with pytest.raises(UserError, match=message):
        check(tracker.WandB(**{**fine, "finish_timeout": 1.0, **changes}), "tracker")


def test_a_key_that_can_be_none_is_told_before_training(
    run: Callable[..., tuple[int, str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setenv("WANDB_API_KEY", "short")
    status, _, errors = run("tracker=wandb", "seed=3")
    assert status == 2
    assert "Traceback" not in errors
    (line,) = [line for line in errors.splitlines() if line.startswith("error: ")]
    assert "W&B's key" in line
    assert not list(tmp_path.glob("outputs/main/*/seed-*"))


def test_a_run_that_was_interrupted_is_one_offline_run(
    compose: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has every row once, in one folder, under the id that it began with."""

    def press(event: Event) -> None:
        if event.phase == "student" and event.step >= 8:
            raise KeyboardInterrupt

    words = [*small.OVERRIDES, *TRACKED, f"outputs={tmp_path}"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("subliminal.state.callbacks.progress.INTERVAL", 0.0)
        with pytest.raises(KeyboardInterrupt):
            train_config(compose(words), "mitigation=none", RecordingConsole(event=press))
    (directory,) = tmp_path.glob("main/*/seed-0003")
    first = record.read(directory)
    assert first is not None
    assert not first.uploaded
    (directory / f".{record.FILE}.killed").touch()
    capsys.readouterr()
    train_config(compose(words), "mitigation=none", Console())
    assert not list(directory.glob(".*"))
    assert capsys.readouterr().err.count(f"python -m subliminal sync {tmp_path}/main") == 1
    summary = store.read_summary(directory)
    assert (summary["resumed"], summary["run_id"]) == ([5], first.run_id)
    (file,) = tmp_path.glob("main/wandb/offline-run-*/*.wandb")
    assert file.stem == f"run-{first.run_id}"
    assert points(read_back(file)[1]) == in_files(directory)
    assert [ended["exit_code"] for ended in of_type(file, "exit")] == [0]
