"""Jobs that were interrupted, that fail, and that want the same runs at once."""

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import polars as pl
import pytest
import same_sweep
import small
from jobs import RecordingConsole, finished, train
from omegaconf import DictConfig

from subliminal import store
from subliminal.state.callbacks.progress import Event

Compose = Callable[[list[str]], DictConfig]
Config = Callable[..., DictConfig]
RESULTS = (*store.DATA, store.ATTRIBUTION)
PROBES = "probe=[alignment,update_alignment,ledger,displacement,noise_floor,attribution]"


@pytest.fixture
def config(compose: Compose, tmp_path: Path) -> Config:
    words = [*small.OVERRIDES, f"outputs={tmp_path / 'outputs'}", "engine.workers=1"]
    words += ["distill.epochs=3", "mitigation=liminal", PROBES]
    return lambda *overrides: compose([*words, *overrides])


def results(runs: list[Path]) -> dict[str, bytes]:
    """All bytes of the runs but their summaries' times."""
    found = {f"{run.name}/{name}": (run / name).read_bytes() for run in runs for name in RESULTS}
    for run in runs:
        summary = store.read_summary(run)
        found[run.name] = json.dumps([summary["results"], summary["notes"]]).encode()
    return found


class Cut(RecordingConsole):
    """Presses Ctrl-C once a phase of one seed has come to some step."""

    def __init__(self, seed: int, phase: str, step: int) -> None:
        def press(event: Event) -> None:
            if seed in event.seeds and event.phase == phase and event.step >= step:
                raise KeyboardInterrupt

        super().__init__(event=press)


@pytest.fixture(autouse=True)
def _every_step_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subliminal.state.callbacks.progress.INTERVAL", 0.0)


@pytest.mark.parametrize(("size", "linearised"), [(1, False), (3, True)])
def test_a_job_cut_off_anywhere_ends_as_if_undisturbed(
    config: Config, tmp_path: Path, size: int, linearised: bool
) -> None:
    words = [f"engine.seeds_at_once={size}", f"distill.linearised={linearised}"]
    whole = results(train(config("seed=0-2", *words, f"outputs={tmp_path / 'whole'}")))
    whole = {k: v.replace(b"/whole", b"/outputs") for k, v in whole.items()}
    cfg = config("seed=0-2", *words)
    # Each cut finds what the one before left: in the teacher, in every epoch, at the very end.
    for seed, phase, step in [
        *((0, "teacher", 3), (0, "teacher", 7), (0, "student", 2), (0, "student", 7)),
        *((1, "student", 11), (1, "student", 14), (2, "student", 15)),
    ]:
        with pytest.raises(KeyboardInterrupt):
            train(cfg, Cut(seed, phase, step))
        assert not list((tmp_path / "outputs").rglob("failure.txt"))
    runs = train(cfg)
    assert results(runs) == whole
    assert {path.name for run in runs for path in run.iterdir()} == {*RESULTS, store.MARKER}
    left = [path.name for path in (tmp_path / "outputs" / "teachers").iterdir() if path.is_file()]
    assert len(left) == 3
    assert all(name.endswith(".safetensors") for name in left)
    resumed = [store.read_summary(run)["resumed"] for run in runs]
    assert resumed[2][-1] == 15 if size == 1 else resumed[0] == resumed[2]


def test_a_run_keeps_its_id_and_its_finished_epochs(config: Config) -> None:
    cfg = config("seed=0")
    with pytest.raises(KeyboardInterrupt):
        train(cfg, Cut(0, "student", 12))
    (run,) = Path(cfg.outputs).glob("main/*/seed-0000")
    assert store.state(run) == "partial"
    tables = pl.read_parquet(run / "steps.parquet")
    seen: list[Event] = []
    train(cfg, RecordingConsole(event=seen.append))
    assert [event.phase for event in seen] == ["student"] * len(seen)
    assert min(event.step for event in seen) == 10
    summary = store.read_summary(run)
    assert summary["resumed"] == [10]
    assert summary["seconds"]["student"] > 0
    after = pl.read_parquet(run / "steps.parquet")
    assert after.select(tables.columns)[:10].equals(tables[:10])


def test_without_resume_a_run_starts_over(config: Config) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(config("seed=0"), Cut(0, "student", 12))
    seen: list[Event] = []
    (run,) = train(config("seed=0", "resume=false"), RecordingConsole(event=seen.append))
    assert min(event.step for event in seen if event.phase == "student") == 0
    assert store.read_summary(run)["resumed"] == []


def test_a_forced_run_does_not_go_on_from_what_is_left_of_the_old_one(config: Config) -> None:
    (run,) = train(config("seed=0"))
    (run / store.CHECKPOINT).write_bytes(b"a job was killed between its marker and this")
    seen: list[Event] = []
    train(config("seed=0"), RecordingConsole(event=seen.append))
    assert seen == []
    assert not (run / store.CHECKPOINT).exists()
    with pytest.raises(KeyboardInterrupt):
        train(config("seed=0", "force=true"), Cut(0, "student", 7))
    assert store.state(run) == "partial"
    train(config("seed=0", "force=true"), RecordingConsole(event=seen.append))
    assert min(event.step for event in seen) == 5
    assert not (run / store.CHECKPOINT).exists()


@pytest.mark.parametrize("file", ["checkpoint.safetensors", "teachers"])
@pytest.mark.parametrize("damage", ["cut", "bit", "empty", "gone"])
def test_damaged_checkpoints_and_teachers_cost_time_alone(
    config: Config, tmp_path: Path, file: str, damage: str
) -> None:
    whole = results(train(config("seed=0", f"outputs={tmp_path / 'whole'}")))
    whole = {k: v.replace(b"/whole", b"/outputs") for k, v in whole.items()}
    with pytest.raises(KeyboardInterrupt):
        train(config("seed=0"), Cut(0, "student", 12))
    pattern = f"outputs/main/*/*/{file}" if "." in file else "outputs/teachers/*.safetensors"
    (path,) = tmp_path.glob(pattern)
    raw = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
    else:
        raw[-8] ^= 4
        path.write_bytes({"cut": raw[:-50], "bit": raw, "empty": bytearray()}[damage])
    assert results(train(config("seed=0"))) == whole


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("config.yaml", "gone"),
        ("steps.parquet", "cut"),
        ("epochs.parquet", "bit"),
        ("student.safetensors", "bit"),
        (store.MARKER, "cut"),
        (store.MARKER, "other"),
    ],
)
def test_a_damaged_finished_run_is_named_and_trained_again(
    config: Config, file: str, damage: str
) -> None:
    runs = train(config("seed=0-1"))
    whole = results(runs)
    path = runs[1] / file
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 4
    path.write_bytes({"cut": bytes(raw[:-50]), "bit": bytes(raw), "other": b"[]"}.get(damage, b""))
    if damage == "gone":
        path.unlink()
    console = RecordingConsole()
    assert results(train(config("seed=0-1"), console)) == whole
    assert any(line.startswith("Damaged and trained again: seeds 1 ") for line in console.lines)


def test_a_damaged_record_of_a_condition_is_made_again(config: Config) -> None:
    (run,) = train(config("seed=3"))
    before = store.read_condition(run.parent)
    (run.parent / store.CONDITION).write_bytes(b'{"seeds": [3')
    train(config("seed=4"))
    assert store.read_condition(run.parent) == before | {"seeds": [3, 4]}


def test_two_jobs_share_the_runs_that_both_want(config: Config, tmp_path: Path) -> None:
    meet = threading.Barrier(2)
    trained: list[int] = []
    consoles: list[RecordingConsole] = []

    def told() -> bool:
        lines = [line for console in consoles for line in console.lines]
        return any(line.startswith("Another process trains seeds") for line in lines)

    def seen(event: Event) -> None:
        # Whoever trains the last seed holds it until the other has nothing left but to wait.
        end = time.monotonic() + 60
        while event.seeds == (4,) and not told() and time.monotonic() < end:
            time.sleep(0.01)
        if event.phase == "student" and event.step == event.steps:
            trained.extend(event.seeds)

    def job(spec: str) -> list[Path]:
        console = RecordingConsole(event=seen, begin=lambda: meet.wait(timeout=60) and None)
        consoles.append(console)
        return train(config(f"seed.spec='{spec}'"), console)

    with ThreadPoolExecutor(2) as jobs:
        runs = list(jobs.map(job, ["0-4", "0-4"], timeout=120))
    assert sorted(trained) == [0, 1, 2, 3, 4]  # each once
    assert runs[0] == runs[1]
    assert finished(tmp_path / "outputs") == [0, 1, 2, 3, 4]
    assert told()


@pytest.mark.slow
def test_two_commands_share_the_runs_that_both_want(tmp_path: Path) -> None:
    slow = "+mitigation.slow._target_=small.Slow"  # so that the commands meet on a busy machine
    run = partial(same_sweep.run, tmp_path / "outputs", extra={"SMALL_SECONDS": "0.2"})
    with ThreadPoolExecutor(2) as commands:
        done = list(commands.map(run, [slow] * 2))
    assert [command.returncode for command in done] == [0, 0], [c.stderr for c in done]
    assert "\n".join(c.stderr for c in done).count("Another process trains seeds") >= 1
    runs = list(store.finished_runs(tmp_path / "outputs" / "main"))
    assert len(runs) == same_sweep.RUNS
    assert all(store.intact(run) and not store.read_summary(run)["resumed"] for run in runs)
    ends = [command.stdout.splitlines()[-1] for command in done]
    assert ends[0] == ends[1]  # both end with the whole table, whoever trained what
