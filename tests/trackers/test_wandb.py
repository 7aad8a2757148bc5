"""W&B runs, read back with W&B's own reader, and what happens when W&B fails."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest
import small
import wandb
from omegaconf import DictConfig
from tracked import KEY, SEEDS, Tracked
from wandb_reader import read_back, records

from subliminal import store
from subliminal.callbacks.progress import Event
from subliminal.errors import UserError
from subliminal.state import Training
from subliminal.sweep.console import Console, JobProgress
from subliminal.sweep.engine import run_job
from subliminal.trackers import RunInfo
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


def test_summary_by_hand() -> None:
    rows: list[dict[str, float]] = [
        {"epoch": 0, "step": 0, "trait/accuracy": 0.1},
        {"epoch": 1, "step": 5, "trait/accuracy": 0.5, "distill/loss": 2, "alignment/cosine": 0.25},
        {"epoch": 2, "step": 10, "trait/accuracy": 0.4, "distill/loss": 1},
    ]
    assert tracker.summary(rows) == {
        "final/trait/accuracy": 0.4,
        "best/trait/accuracy": 0.5,
        "final/distill/loss": 1,
        "epoch_1/alignment/cosine": 0.25,
    }


class FakeRun:
    """Stands for a W&B run that fails at one of its methods."""

    def __init__(self, fails: str) -> None:
        self.fails, self.calls = fails, list[str]()
        self.summary: dict[str, float] = {}

    def __getattr__(self, name: str) -> Callable[..., None]:
        def call(*_: object, **__: object) -> None:
            self.calls.append(name)
            if name == self.fails:
                raise ConnectionError("no route to host\nmore lines")

        return call


@pytest.mark.parametrize("moment", ["init", "define_metric", "log", "finish"])
def test_a_failure_of_wandb_stops_no_training_and_is_told_once(
    compose: Compose,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    moment: str,
) -> None:
    runs: list[FakeRun] = []

    def init(**_: object) -> FakeRun:
        if moment == "init":
            raise ConnectionError("no route to host\nmore lines")
        runs.append(FakeRun(moment))
        return runs[-1]

    monkeypatch.setattr(wandb, "init", init)
    cfg = compose([*small.OVERRIDES, *TRACKED, f"outputs={tmp_path}"])
    directories = run_job(cfg, "mitigation=none", Console())
    assert len(directories) == 2
    for directory in directories:
        (note,) = store.read_summary(directory)["notes"]
        assert note == "W&B failed, the files are complete without it: no route to host"
        assert pl.read_parquet(directory / "steps.parquet").height == 11
    for run in runs:
        assert run.calls.count(moment) == 1  # nothing is asked of it once it has failed
    assert capsys.readouterr().err.count("no route to host") == 1


def test_a_failed_training_ends_its_run_as_failed(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes: list[int] = []

    class Run(FakeRun):
        def finish(self, exit_code: int = 0) -> None:
            codes.append(exit_code)

    monkeypatch.setattr(wandb, "init", lambda **_: Run("nothing"))
    diverging = ["optim=sgd", "optim.lr=1e30"]
    cfg = compose([*small.OVERRIDES, *TRACKED, *diverging, f"outputs={tmp_path}"])
    with pytest.raises(UserError, match="failed seeds: 3, 4"):
        run_job(cfg, "mitigation=none", Console())
    assert codes == [1, 1]


def settings(mode: str) -> tracker.WandB:
    return tracker.WandB(project="p", entity=None, mode=mode, tags=[])


@pytest.fixture
def login(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Says whether the user is logged in."""
    monkeypatch.delenv("WANDB_MODE", raising=False)

    def arrange(logged_in: bool) -> None:
        monkeypatch.setattr(wandb, "login", lambda **_: logged_in)

    return arrange


def test_auto_without_a_login_is_offline(login: Callable[[bool], None], tmp_path: Path) -> None:
    login(False)
    override, line = settings("auto").resolve(tmp_path)
    assert override == {"mode": "offline"}
    assert line is not None
    assert f"wandb sync {tmp_path}/wandb" in line
    assert "\n" not in line


def test_auto_with_a_login_is_online(login: Callable[[bool], None], tmp_path: Path) -> None:
    login(True)
    assert settings("auto").resolve(tmp_path) == ({"mode": "online"}, None)


@pytest.mark.parametrize("logged_in", [True, False])
@pytest.mark.parametrize("mode", ["online", "offline"])
def test_wandb_mode_decides_for_auto(
    login: Callable[[bool], None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    mode: str,
    logged_in: bool,
) -> None:
    login(logged_in)
    monkeypatch.setenv("WANDB_MODE", mode)
    override, line = settings("auto").resolve(tmp_path)
    assert override == {"mode": mode}
    assert (line is None) == (mode == "online")


def test_a_mode_that_is_named_beats_wandb_mode(
    login: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    login(True)
    monkeypatch.setenv("WANDB_MODE", "online")
    assert settings("offline").resolve(tmp_path)[0] == {"mode": "offline"}


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(UserError, match=r"tracker\.mode=of: one of auto, online, offline"):
        settings("of")


def test_a_job_says_how_to_sync_once(
    compose: Compose,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(wandb, "init", lambda **_: FakeRun("nothing"))
    cfg = compose([*small.OVERRIDES, *TRACKED, f"outputs={tmp_path}"])
    run_job(cfg, "mitigation=none", Console())
    assert capsys.readouterr().err.count("wandb sync") == 1


def test_a_resumed_run_replaces_its_offline_copy_but_none_that_was_uploaded(
    tmp_path: Path,
) -> None:
    info = RunInfo(tmp_path, "g", (3, 4), {3: "three", 4: "four"}, {"condition": "c"}, {}, [])
    info.teacher_rows = {3: [], 4: []}
    training = cast(Training, None)  # not looked at when runs are opened or fail
    first = settings("offline").callback(info)
    first.on_train_start(training)
    first.on_failure(training, KeyboardInterrupt())
    (uploaded,) = tmp_path.glob("wandb/offline-run-*-four/*.wandb")
    uploaded.with_suffix(".wandb.synced").touch()
    time.sleep(1.1)  # W&B's folders are named by the second
    second = cast(tracker._Runs, settings("offline").callback(info))
    second.on_resume(training, {})
    second.on_failure(training, KeyboardInterrupt())
    assert info.notes == []
    names = ("three", "four")
    assert [len(list(tmp_path.glob(f"wandb/offline-run-*-{name}"))) for name in names] == [1, 2]
    assert uploaded.exists()


def test_a_run_that_was_cut_off_is_one_offline_run(compose: Compose, tmp_path: Path) -> None:
    """It has every row once, in one folder, under the id that it began with."""
    cut = [True]

    def press(event: Event) -> None:
        if cut[0] and event.phase == "student" and event.step >= 8:
            raise KeyboardInterrupt

    class Cut(Console):
        @contextmanager
        def progress(self, title: str, seeds: int) -> Iterator[JobProgress]:
            with super().progress(title, seeds) as shown:
                shown.report = press  # type: ignore[method-assign]
                yield shown

    words = [*small.OVERRIDES, *TRACKED, "seed.spec='3'", f"outputs={tmp_path}"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("subliminal.callbacks.progress.INTERVAL", 0.0)
        with pytest.raises(KeyboardInterrupt):
            run_job(compose(words), "mitigation=none", Cut())
    (first,) = tmp_path.glob("main/wandb/offline-run-*/*.wandb")
    cut[0] = False
    (directory,) = run_job(compose(words), "mitigation=none", Console())
    summary = store.read_summary(directory)
    assert summary["resumed"] == [5]
    (file,) = tmp_path.glob("main/wandb/offline-run-*/*.wandb")
    assert file.stem == first.stem == f"run-{summary['run_id']}"

    words[-1] = f"outputs={tmp_path / 'whole'}"
    run_job(compose(words), "mitigation=none", Console())
    (whole,) = tmp_path.glob("whole/main/wandb/offline-run-*/*.wandb")
    assert history_of(file) == history_of(whole)


def history_of(file: Path) -> list[dict[str, float]]:
    """A run's rows, without the times at which they were logged."""
    _, history = read_back(file)
    return [
        {k: v for k, v in row.items() if k not in ("_timestamp", "_runtime")} for row in history
    ]
