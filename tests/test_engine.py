"""Jobs: what is kept, what is trained again, and what one seed's end means for the others."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import failing
import pytest
import small
from omegaconf import DictConfig

from subliminal.console import Console, JobProgress
from subliminal.engine import run_job
from subliminal.errors import UserError

Compose = Callable[[list[str]], DictConfig]


@pytest.fixture
def job(compose: Compose, tmp_path: Path) -> Callable[..., list[Path]]:
    def run(*overrides: str, console: Console | None = None, folder: str = "a") -> list[Path]:
        fixed = [*small.OVERRIDES, "engine.workers=1", f"outputs={tmp_path / folder}"]
        return run_job(compose([*fixed, *overrides]), "x", console or Console())

    return run


def contents(run: Path) -> dict[str, tuple[bytes, int]]:
    return {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in run.iterdir()}


def test_finished_seeds_are_kept_untouched(
    job: Callable[..., list[Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    (first,) = job("seed=2")
    before = contents(first)
    runs = job("seed=1-2")
    assert [run.name for run in runs] == ["seed-0001", "seed-0002"]
    assert contents(first) == before
    assert "1 of 2 seeds are finished already" in capsys.readouterr().err


def test_force_trains_again_and_gives_the_same_student(job: Callable[..., list[Path]]) -> None:
    (run,) = job("seed=2")
    before = contents(run)
    job("seed=2", "force=true")
    after = contents(run)
    assert after["student.safetensors"][0] == before["student.safetensors"][0]
    assert after["summary.json"][1] > before["summary.json"][1]


def test_workers_give_the_bits_of_one_process(job: Callable[..., list[Path]]) -> None:
    alone = job("seed=0-2")
    spread = job("seed=0-2", "engine.workers=2", folder="b")
    for one, other in zip(alone, spread, strict=True):
        name = "student.safetensors"
        assert (one / name).read_bytes() == (other / name).read_bytes()


def test_a_seed_that_fails_is_named_and_the_others_go_on(
    job: Callable[..., list[Path]], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"failed seeds: 1 \(RuntimeError: on purpose\)"):
        job("seed=0-2", *failing.at(seed=1, how="raise"))
    (condition,) = (path for path in (tmp_path / "a" / "main").iterdir())
    finished = sorted(path.parent.name for path in condition.glob("*/summary.json"))
    assert finished == ["seed-0000", "seed-0002"]
    assert "Traceback" in (condition / "seed-0001" / "failure.txt").read_text()


def test_a_killed_worker_names_its_seeds(job: Callable[..., list[Path]]) -> None:
    with pytest.raises(UserError, match=r"failed seeds: .*1.* \(a worker process was killed\)"):
        job("seed=0-2", "engine.workers=2", *failing.at(seed=1, how="kill"))


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_job_keeps_what_is_finished_and_goes_on_later(
    sent: signal.Signals, job: Callable[..., list[Path]], tmp_path: Path
) -> None:
    class Impatient(Console):
        @contextmanager
        def progress(self, title: str, seeds: int) -> Iterator[JobProgress]:
            with super().progress(title, seeds) as progress:
                count = progress.seeds_done

                def stop_after_the_first(number: int) -> None:
                    count(number)
                    os.kill(os.getpid(), sent)

                progress.seeds_done = stop_after_the_first  # type: ignore[method-assign]
                yield progress

    with pytest.raises(KeyboardInterrupt):
        job("seed=0-2", console=Impatient())
    (finished,) = tmp_path.glob("a/main/*/*/summary.json")
    before = contents(finished.parent)
    assert len(job("seed=0-2")) == 3
    assert contents(finished.parent) == before
