"""Sweeps that faults are done to: their files must end as if nothing had happened."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import same_sweep

from subliminal import store

Results = dict[str, dict[str, str]]
# Four runs of 300 steps: long enough to be hit in the middle.
WORDS = (
    *("seed=0-1", "mitigation=none,liminal", "distill.epochs=6", "distill.inputs.size=3200"),
    *("probe=[alignment,ledger]", "engine.workers=2"),
)
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


Tried = Callable[..., None]  # counts faults of a kind, see the fixture `tried`


@dataclass
class Undisturbed:
    """The sweep that nothing happened to."""

    words: tuple[str, ...]
    results: Results
    seconds: float
    size: int  # bytes under outputs/


@dataclass
class Disturbed:
    """One more such sweep, in a folder of its own, and what was finished when it was last seen."""

    folder: Path
    whole: Undisturbed
    words: tuple[str, ...] = ()
    extra: Mapping[str, str] = field(default_factory=dict)
    within: tuple[str, ...] = ()  # a command that starts the sweep's
    seen: Results = field(default_factory=dict)
    started: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    @property
    def outputs(self) -> Path:
        return self.folder / "outputs"

    def start(self) -> subprocess.Popen[bytes]:
        """Start the sweep, in a process group of its own."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "stderr.txt").open("wb") as told:
            command = subprocess.Popen(
                [
                    *self.within,
                    *same_sweep.command(Path("outputs"), *self.whole.words, *self.words),
                ],
                cwd=self.folder,
                env=same_sweep.environment(self.extra),
                stdout=subprocess.DEVNULL,
                stderr=told,
                start_new_session=True,
            )
        self.started.append(command)
        return command

    def start_until_one_is_finished(self) -> subprocess.Popen[bytes]:
        """Start the sweep; return when it has its first finished run."""
        command = self.start()
        while not any(store.finished_runs(self.outputs / "main")):
            assert command.poll() is None, self.stderr()
            time.sleep(0.01)
        return command

    def run(self) -> int:
        """Run the sweep to its end; return its exit status."""
        return self.start().wait(timeout=500)

    def stderr(self) -> str:
        """What the sweep last said on standard error."""
        return (self.folder / "stderr.txt").read_text(encoding="utf-8")

    def kill(self, moments: random.Random, number: signal.Signals) -> bool:
        """Start the sweep and signal it at some moment; False: it was through before."""
        command = self.start()
        try:
            status = command.wait(timeout=moments.uniform(0.2, 1.0) * self.whole.seconds)
        except subprocess.TimeoutExpired:
            os.killpg(command.pid, number)
            status = command.wait(timeout=120)
            assert status in (-number, -signal.SIGINT, 130, 0), (status, self.stderr())
            assert "Traceback" not in self.stderr() or status == -signal.SIGINT, self.stderr()
            return True
        assert status == 0, self.stderr()
        return False

    def half_done(self) -> None:
        """Run the sweep until some runs are finished and others have checkpoints; kill it."""
        command = self.start()
        conditions = self.outputs / "main"
        while command.poll() is None:
            open_runs = [
                path
                for path in conditions.glob("*/seed-*/steps.parquet")
                if not store.finished(path.parent)
            ]
            if open_runs and any(store.finished_runs(conditions)):
                os.killpg(command.pid, signal.SIGKILL)
                command.wait()
                return
            time.sleep(0.01)
        pytest.fail(f"the sweep was through before it was half done: {self.stderr()}")

    def look(self) -> None:
        """Compare what is finished with what was, and with the undisturbed sweep."""
        assert all(map(store.intact, store.finished_runs(self.outputs / "main")))
        now = same_sweep.results(self.outputs)
        assert self.seen.keys() <= now.keys()  # no finished run is lost
        assert now.items() <= self.whole.results.items()
        self.seen = now

    def repair(self) -> None:
        """Run the sweep again to its end, and look what is missing, differs, or was left."""
        status = self.run()
        assert status == 0, self.stderr()
        self.look()
        assert self.seen.keys() == self.whole.results.keys()
        assert leftovers(self.outputs) == []


def undisturbed(folder: Path, words: tuple[str, ...]) -> Undisturbed:
    """Run the sweep that the others are compared with."""
    sweep = Disturbed(folder, Undisturbed(words, {}, 0.0, 0))
    started = time.perf_counter()
    status = sweep.run()
    seconds = time.perf_counter() - started
    assert status == 0, sweep.stderr()
    files = [path for path in sweep.outputs.rglob("*") if path.is_file()]
    results = same_sweep.results(sweep.outputs)
    assert len(results) >= 2
    return Undisturbed(words, results, seconds, sum(path.stat().st_size for path in files))


def leftovers(outputs: Path) -> list[Path]:
    """Return the files that no finished sweep has: temporary ones, checkpoints, failures."""
    files = [p.relative_to(outputs) for p in outputs.rglob("*") if p.is_file()]
    ours = [p for p in files if p.parts[0] != ".hydra" and ".locks" not in p.parts]
    odd = (store.CHECKPOINT, store.FAILURE, store.POST_MORTEM)
    return [
        path
        for path in ours
        if path.name.startswith(".") or path.suffix == ".checkpoint" or path.name in odd
    ]


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[None]:
    """Mount a file system of `size` bytes on a folder; skip the test where that is not allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    _or_skip(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder])
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def processor_quota(share: float) -> Iterator[tuple[str, ...]]:
    """Make a control group with a share of one processor; yield a command that enters it."""
    first = Path("/sys/fs/cgroup/cpu")
    group = (first if first.is_dir() else first.parent) / f"subliminal-{os.getpid()}"
    period = 100_000
    try:
        group.mkdir()
        if first.is_dir():
            (group / "cpu.cfs_quota_us").write_text(str(int(share * period)))
        else:
            (group / "cpu.max").write_text(f"{int(share * period)} {period}")
    except OSError as error:
        if group.is_dir():
            group.rmdir()
        pytest.skip(f"not permitted here: {error}")
    try:
        yield "sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh"
    finally:
        group.rmdir()


def remount(folder: Path, options: str) -> None:
    """Change a mounted file system, e.g. `size=64m` or `ro`."""
    subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)


@contextmanager
def read_only(path: Path) -> Iterator[None]:
    """Let nothing below `path` be written; skip the test where that cannot be had.

    Modes do not bind root, for whom the files are made immutable instead.
    """
    change = ["chattr", "-R"] if os.geteuid() == 0 else ["chmod", "-R"]
    on, off = ("+i", "-i") if os.geteuid() == 0 else ("a-w", "u+w")
    _or_skip([*change, on, path])
    try:
        yield
    finally:
        subprocess.run([*change, off, path], check=True)


def _or_skip(command: Sequence[str | Path]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip(f"{command[0]} is not installed")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"not permitted here: {error.stderr.strip()}")
