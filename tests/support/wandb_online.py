"""Commands against the stand-in for W&B's server, and what it has got compared with the files."""

import contextlib
import io
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import pytest
import same_sweep
import small
from resolved import composed, train_config
from wandb_server import Run, Server, serving

from subliminal import metrics, store
from subliminal.commands import dashboard
from subliminal.errors import RunsFailed
from subliminal.report.wandb_report import log_report
from subliminal.sweep import plan
from subliminal.trackers import sync

# History is sent at once, not every 15 seconds: what a kill meets is then known.
SOON = {"WANDB_X_FILE_STREAM_TRANSMIT_INTERVAL": "0.2"}
Values = dict[tuple[str, float], dict[str, Any]]  # axis and its value, to metrics


@dataclass
class Online:
    """A folder, and the commands that run in it."""

    server: Server
    folder: Path
    extra: dict[str, str] = field(default_factory=dict)
    started: list["subprocess.Popen[str]"] = field(default_factory=list)

    @property
    def outputs(self) -> Path:
        return self.folder / "outputs"

    @property
    def experiment(self) -> Path:
        return self.outputs / "main"

    def environment(self) -> dict[str, str]:
        (self.folder / "home").mkdir(parents=True, exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
        ours = {**self.server.environment(self.folder / "home"), **SOON, **self.extra}
        return {**kept, **same_sweep.environment(ours), **ours, "HOME": str(self.folder / "home")}

    def start(self, *words: str) -> "subprocess.Popen[str]":
        """Start a command, in a process group of its own."""
        command = subprocess.Popen(
            [sys.executable, *words],
            cwd=self.folder,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(command)
        return command

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        command = self.start(*words)
        out, err = command.communicate(timeout=300)
        return subprocess.CompletedProcess(words, command.returncode, out, err)

    def training(self, *words: str) -> list[str]:
        """Return the command line of a job of one process, unless told otherwise."""
        fixed = [w for w in small.OVERRIDES if not w.startswith("tracker")]
        given = {word.partition("=")[0] for word in words}
        default = [*fixed, "tracker=wandb", "engine.workers=1", "seed=3"]
        kept = [word for word in default if word.partition("=")[0] not in given]
        return ["-m", "subliminal.train", *kept, *words]

    def train(self, *words: str, multirun: bool = False) -> "subprocess.CompletedProcess[str]":
        command = self.training(*words)
        return self.run(*command[:2], *(["-m"] if multirun else []), *command[2:])

    def job(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Do as `train`, in this process, which has imported all that it takes."""

        def train() -> int:
            overrides = self.training(*words)[2:]
            try:
                train_config(composed(*overrides), plan.condition_name(overrides))
            except RunsFailed as error:
                print(error, file=sys.stderr)
                return 1
            return 0

        return self._here(train)

    def sync(self) -> "subprocess.CompletedProcess[str]":
        """Upload what W&B lacks, in this process."""
        return self._here(lambda: _status(sync.main), "sync", "outputs/main")

    def dashboard(self) -> "subprocess.CompletedProcess[str]":
        """Publish workspace and report, in this process."""
        return self._here(dashboard.main, "dashboard")

    def report(self, tables: dict[str, pl.DataFrame], figures: dict[str, Path]) -> str | None:
        """Log the experiment's report, in this process; return what it tells."""
        lines = []

        def log() -> int:
            lines.append(log_report(Path("outputs/main"), tables, figures))
            return 0

        self._here(log)
        return lines[0]

    def _here(self, action: Callable[[], int], *argv: str) -> "subprocess.CompletedProcess[str]":
        out, err = io.StringIO(), io.StringIO()
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            for name in [name for name in os.environ if name.startswith("WANDB_")]:
                patch.delenv(name)
            for name, value in self.environment().items():
                patch.setenv(name, value)
            patch.chdir(self.folder)
            patch.setattr(sys, "argv", list(argv))
            for module in ("subliminal.trackers.sync", "subliminal.trackers.wandb"):
                patch.setattr(f"{module}.logged_in", lambda: True)
            status = action()
        return subprocess.CompletedProcess(argv, status, out.getvalue(), err.getvalue())

    def finished(self) -> list[Path]:
        return list(store.finished_runs(self.experiment))

    def server_run(self, run: Path) -> Run:
        """What the server has of a finished run."""
        return self.server.runs[store.read_summary(run)["run_id"]]

    def offline(self, run: Path) -> Path:
        """Return the file of a finished run's offline folder."""
        name = store.read_summary(run)["run_id"]
        (file,) = self.experiment.glob(f"wandb/offline-run-*-{name}/*.wandb")
        return file

    def as_agent(self) -> None:
        """Let commands run as a W&B agent's, which names its run in the environment."""
        parameters = self.folder / "config-agentsrun.yaml"
        parameters.write_text("wandb_version: 1\nmitigation:\n  value: none\n")
        names = {"WANDB_SWEEP_ID": "oursweep", "WANDB_RUN_ID": "agentsrun"}
        self.extra = {**names, "WANDB_SWEEP_PARAM_PATH": str(parameters)}

    def assert_complete(self, runs: int) -> None:
        """W&B has each finished run, value by value, and no point of it twice."""
        assert len(self.finished()) == runs
        for run in self.finished():
            told = self.server_run(run)
            assert told.exitcode == 0
            assert points(told.history) == in_files(run)
            results = store.read_summary(run)["results"]
            final = metrics.final(metrics.TRAIT_ACCURACY)
            assert told.summary[final] == results[metrics.TRAIT_ACCURACY]


@pytest.fixture
def online(tmp_path: Path) -> Iterator[Online]:
    """Commands in a folder, and the stand-in server that is all that they know."""
    with serving() as server:
        online = Online(server, tmp_path)
        yield online
        same_sweep.end_all(online.started)
        assert not server.unknown  # the client sends a request that version 0.31 did not


def _status(main: Callable[[], None]) -> int:
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def points(history: list[dict[str, Any]]) -> Values:
    """Return the points of a history by axis; fail where one is there twice."""
    found: Values = {}
    for row in history:
        axis = "teacher/epoch" if "teacher/epoch" in row else "step"
        point = found.setdefault((axis, row[axis]), {})
        for name, value in row.items():
            if not name.startswith("_") and name != axis:
                assert name not in point, f"{name} twice at {axis} {row[axis]}"
                point[name] = float(value)
    return found


def in_files(run: Path) -> Values:
    """Return the points that a run's tables hold."""
    steps = pl.read_parquet(run / "steps.parquet").drop("seed", "epoch")
    epochs = pl.read_parquet(run / "epochs.parquet").drop("seed")
    teacher = epochs.filter(pl.col("phase") == "teacher").drop("phase", "step")
    tables = {"step": steps, "epoch": teacher}
    return {
        (axis if axis == "step" else "teacher/epoch", row[axis]): {
            name: value for name, value in row.items() if value is not None and name != axis
        }
        for axis, table in tables.items()
        for row in table.iter_rows(named=True)
    }


def lines_on(text: str, word: str = "W&B") -> list[str]:
    """Return the lines that have a word."""
    return [line for line in text.splitlines() if word in line]


def wait_for(happened: Any, seconds: float = 120.0) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def family(command: "subprocess.Popen[str]") -> list[psutil.Process]:
    """Return a command's process and all below it."""
    process = psutil.Process(command.pid)
    return [process, *process.children(recursive=True)]


def alive(processes: list[psutil.Process]) -> Iterator[psutil.Process]:
    """Yield those that have not ended."""
    for process in processes:
        if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            yield process
