"""A run's directory: what it holds when all goes well, and when the disk or the loss does not."""

import errno
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import small
import torch
from omegaconf import DictConfig, OmegaConf
from resolved import composed, train_config
from safetensors.torch import load_file

from subliminal import store
from subliminal.errors import UserError
from subliminal.state.callbacks.files import headline
from subliminal.store import disk
from subliminal.training.tasks import Distillation

Compose = Callable[[list[str]], DictConfig]
TABLES = {"config.yaml", "steps.parquet", "epochs.parquet"}
COMPLETE = TABLES | {"student.safetensors", "summary.json"}
UNFINISHED = TABLES | {"checkpoint.safetensors", "failure.txt"}
PER_EPOCH, EPOCHS = 5, 2


def run(compose: Compose, outputs: Path, *overrides: str) -> list[Path]:
    words = [*small.OVERRIDES, f"outputs={outputs}", "engine.workers=1", *overrides]
    return train_config(compose(words), "mitigation=none")


def seed_dir(outputs: Path, seed: int) -> Path:
    (directory,) = outputs.glob(f"main/mitigation=none-*/seed-{seed:04d}")
    return directory


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def temporary_files(outputs: Path) -> list[Path]:
    return [path for path in outputs.rglob(".*") if path.is_file()]


class FullDisk:
    """Lets `store` write a part of some files and then fail, as a full disk does."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        full: Callable[[Path, int], bool],
        error: Exception = OSError(errno.ENOSPC, "No space left on device"),  # noqa: B008
    ) -> None:
        self.full, self.failed, self.error = full, 0, error
        self.calls: dict[Path, int] = {}
        self.write = store.write_atomically
        for module in (store, disk):
            monkeypatch.setattr(module, "write_atomically", self)

    def __call__(self, path: Path, write: Callable[[Path], None]) -> None:
        count = self.calls[path] = self.calls.get(path, 0) + 1
        self.write(path, self.fail if self.full(path, count) else write)

    def fail(self, temporary: Path) -> None:
        self.failed += 1
        temporary.write_bytes(b"part")
        raise self.error


@pytest.fixture
def spoil(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    """Makes one seed's distillation loss NaN from a given step on."""

    def arrange(seed: int, step: int) -> None:
        healthy, calls = Distillation.loss, [0]

        def loss(self: Distillation, logits: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
            factor = torch.ones(len(self.seeds))
            if seed in self.seeds:
                calls[0] += not logits.is_leaf  # else a look at the first step, no step
                if calls[0] > step:
                    factor[self.seeds.index(seed)] = math.nan
            return healthy(self, logits, rows) * factor

        monkeypatch.setattr(Distillation, "loss", loss)

    return arrange


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The outputs of a job of seeds 3 and 4 that nothing happened to; tests only read them."""
    folder = tmp_path_factory.mktemp("finished")
    learning = ("optim.lr=0.01", "teacher.optim.lr=0.01")
    runs = run(lambda words: composed(*words), folder, "seed=3-4", *learning)
    assert [directory.name for directory in runs] == ["seed-0003", "seed-0004"]
    return folder


@pytest.fixture(scope="module")
def finished(outputs: Path) -> Path:
    """The run of seed 3."""
    return seed_dir(outputs, 3)


def test_a_finished_run_holds_its_files(outputs: Path) -> None:
    assert [names(seed_dir(outputs, seed)) for seed in (3, 4)] == [COMPLETE] * 2
    assert temporary_files(outputs) == []


def test_the_tables_have_a_row_for_each_step_and_epoch(finished: Path) -> None:
    steps = pl.read_parquet(finished / "steps.parquet")
    assert steps["step"].to_list() == list(range(PER_EPOCH * EPOCHS + 1))
    assert steps["seed"].unique().to_list() == [3]
    assert steps["seed"].dtype == pl.Int64
    for name in ("distill/loss", "trait/loss", "alignment/cosine"):
        assert steps[name].null_count() == 1, name  # after the last update there is no step
        assert steps[name][:-1].is_finite().all()

    epochs = pl.read_parquet(finished / "epochs.parquet")
    assert epochs["phase"].to_list() == ["teacher"] * (EPOCHS + 1) + ["student"] * (EPOCHS + 1)
    assert epochs["epoch"].to_list() == 2 * list(range(EPOCHS + 1))
    student = epochs.filter(pl.col("phase") == "student")
    for epoch in range(1, EPOCHS + 1):
        taken = steps.slice((epoch - 1) * PER_EPOCH, PER_EPOCH)
        assert student["alignment/cosine"][epoch] == pytest.approx(taken["alignment/cosine"].mean())
        ends = steps.filter(pl.col("step") == epoch * PER_EPOCH)["trait/accuracy"].to_list()
        assert [student["trait/accuracy"][epoch]] == ends


def test_the_summary_agrees_with_the_tables(finished: Path) -> None:
    summary = json.loads((finished / "summary.json").read_text())
    epochs = pl.read_parquet(finished / "epochs.parquet")
    teacher, student = (epochs.filter(pl.col("phase") == phase) for phase in ("teacher", "student"))
    assert summary["seed"] == 3
    assert summary["condition"] == "mitigation=none"
    assert summary["notes"] == []
    assert len(summary["run_id"]) > 0
    assert {"experiment", "threads", "stack"} <= summary.keys()
    assert (summary["device"], summary["card"]) == ("cpu", None)
    assert {"data", "teacher", "student"} <= summary["seconds"].keys()
    assert {"packages", "python", "git_commit"} <= summary["environment"].keys()
    assert summary["results"] == {
        "teacher/accuracy": teacher["teacher/accuracy"][-1],
        "trait/accuracy": student["trait/accuracy"][-1],
        "trait/accuracy_best": max(student["trait/accuracy"]),
        "distill/loss": student["distill/loss"][-1],
        "alignment/cosine_by_epoch": student["alignment/cosine"][1:].to_list(),
    }
    without = headline(epochs.drop("alignment/cosine"))
    assert without.keys() == summary["results"].keys() - {"alignment/cosine_by_epoch"}


def test_the_config_is_resolved_and_composes_the_seed_alone(outputs: Path) -> None:
    file = seed_dir(outputs, 4) / "config.yaml"
    written = OmegaConf.load(file)
    assert OmegaConf.select(written, "seed.spec") == "4"
    assert OmegaConf.select(written, "optim.lr") == 0.01
    assert "${" not in file.read_text()


def test_the_student_has_the_accuracy_that_the_summary_tells(finished: Path) -> None:
    student = {k: v.numpy() for k, v in load_file(finished / store.STUDENT).items()}
    digits = small.Digits().load()
    h = digits.test_x.numpy() / 127.5 - 1
    for layer in (1, 2, 3):
        h = h @ student[f"layer{layer}.weight"].T + student[f"layer{layer}.bias"]
        h = np.maximum(h, 0) if layer < 3 else h
    hits = h[:, :10].argmax(axis=1) == digits.test_y.numpy()
    assert hits.mean() == store.read_summary(finished)["results"]["trait/accuracy"]


@pytest.mark.parametrize("file", ["steps.parquet", "epochs.parquet"])
def test_a_full_disk_in_the_middle_is_noted_and_made_good(
    compose: Compose,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    file: str,
) -> None:
    (expected,) = run(compose, tmp_path / "whole", "seed='3'")
    disk = FullDisk(monkeypatch, lambda path, count: path.name == file and count <= EPOCHS)
    capsys.readouterr()
    (directory,) = run(compose, tmp_path / "full", "seed='3'")

    assert disk.failed == EPOCHS
    assert names(directory) == COMPLETE
    for table in ("steps.parquet", "epochs.parquet"):
        written, whole = pl.read_parquet(directory / table), pl.read_parquet(expected / table)
        assert written.equals(whole)
    (note,) = store.read_summary(directory)["notes"]  # the same failure is noted once
    assert "seed 3" in note
    assert "No space left" in note
    assert capsys.readouterr().err.count("No space left") == 1
    assert temporary_files(tmp_path) == []


def test_what_polars_says_of_a_full_disk_does_not_stop_the_training(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(pl.exceptions.ComputeError) as full:
        pl.DataFrame({"a": range(100_000)}).write_parquet("/dev/full")
    FullDisk(monkeypatch, lambda path, n: path.suffix == ".parquet" and n == 1, full.value)
    (directory,) = run(compose, tmp_path, "seed='3'")
    assert names(directory) == COMPLETE
    assert "not written after an epoch" in store.read_summary(directory)["notes"][0]


def test_earlier_tables_outlast_a_full_disk(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FullDisk(monkeypatch, lambda path, count: path.suffix == ".parquet" and count > 1)
    with pytest.raises(UserError, match=r"failed seeds: 3 .*No space left"):
        run(compose, tmp_path, "seed='3'")
    directory = seed_dir(tmp_path, 3)
    assert names(directory) == UNFINISHED
    assert pl.read_parquet(directory / "steps.parquet")["step"].max() == PER_EPOCH
    assert temporary_files(tmp_path) == []


@pytest.mark.parametrize(
    ("file", "size", "seed"),
    [("student.safetensors", 1, 3), ("summary.json", 1, 3), ("student.safetensors", 2, 4)],
)
def test_a_disk_full_at_the_end_leaves_the_seed_unfinished_until_it_is_trained_again(
    compose: Compose,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    file: str,
    size: int,
    seed: int,
) -> None:
    with monkeypatch.context() as patch:
        FullDisk(patch, lambda path, _: path.name == file and path.parent.name == f"seed-000{seed}")
        with pytest.raises(UserError, match=rf"failed seeds: {seed} \(OSError.*No space left"):
            run(compose, tmp_path, "seed=3-4", f"engine.seeds_at_once={size}")
    failed = seed_dir(tmp_path, seed)
    assert not store.finished(failed)
    assert "No space left" in (failed / "failure.txt").read_text()
    assert names(failed) - {"student.safetensors"} == UNFINISHED
    assert names(seed_dir(tmp_path, 7 - seed)) == COMPLETE  # before it, or after it
    assert temporary_files(tmp_path) == []
    run(compose, tmp_path, f"seed='{seed}'")
    assert names(failed) == COMPLETE


def test_a_loss_that_is_not_finite_fails_the_seed(compose: Compose, tmp_path: Path) -> None:
    diverging = ("optim=sgd", "optim.lr=1e30")
    with pytest.raises(UserError, match=r"failed seeds: 3 .*distill/loss is (nan|inf) at step \d"):
        run(compose, tmp_path, "seed='3'", *diverging)
    assert not store.finished(seed_dir(tmp_path, 3))
    failure = (seed_dir(tmp_path, 3) / "failure.txt").read_text()
    assert failure.startswith("distill/loss is ")
    step = int(failure.split("step ")[1].split()[0])
    steps = pl.read_parquet(seed_dir(tmp_path, 3) / "steps.parquet")  # up to the bad one
    assert steps["step"].max() == step
    left = load_file(seed_dir(tmp_path, 3) / "post-mortem.safetensors")
    norm = math.sqrt(sum(float(t.double().square().sum()) for n, t in left.items() if "theta" in n))
    assert f"weights {norm:.4g}," in failure


def test_a_disk_too_full_to_say_so_does_not_stop_the_job(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FullDisk(monkeypatch, lambda path, _: path.name in ("student.safetensors", "failure.txt"))
    with pytest.raises(UserError, match="failed seeds: 3, 4 "):
        run(compose, tmp_path, "seed=3-4")
    assert temporary_files(tmp_path) == []


def test_a_run_that_is_trained_again_is_not_finished_meanwhile(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(compose, tmp_path, "seed='3'")
    FullDisk(monkeypatch, lambda path, _: path.name == "student.safetensors")
    with pytest.raises(UserError, match="failed seeds: 3"):
        run(compose, tmp_path, "seed='3'", "force=true")
    assert not store.finished(seed_dir(tmp_path, 3))


@pytest.mark.parametrize("step", [0, 7])
def test_a_nan_in_one_seed_of_a_stack_leaves_its_neighbours_alone(
    compose: Compose, tmp_path: Path, spoil: Callable[[int, int], None], step: int
) -> None:
    (alone,) = run(compose, tmp_path / "alone", "seed='3'")
    spoil(4, step)
    with pytest.raises(UserError, match=rf"failed seeds: 4 \(distill/loss is nan at step {step} "):
        run(compose, tmp_path, "seed=3-4", "engine.seeds_at_once=2")

    failed, neighbour = seed_dir(tmp_path, 4), seed_dir(tmp_path, 3)
    told = f"distill/loss is nan at step {step} (norms: weights "
    assert (failed / "failure.txt").read_text().startswith(told)
    assert names(failed) == UNFINISHED | {"post-mortem.safetensors"}
    left = load_file(failed / "post-mortem.safetensors")
    assert all(left[f"theta.{name}"].isfinite().all() for name in load_file(alone / store.STUDENT))
    assert any(not gradient.isfinite().all() for gradient in left.values())
    assert names(neighbour) == COMPLETE
    for table in ("steps.parquet", "epochs.parquet"):
        ours, theirs = pl.read_parquet(neighbour / table), pl.read_parquet(alone / table)
        assert ours.equals(theirs), table
    student, expected = (load_file(directory / store.STUDENT) for directory in (neighbour, alone))
    assert all(torch.equal(student[name], expected[name]) for name in expected)


def test_an_error_in_the_middle_keeps_the_epochs_before_it(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = Distillation.start_epoch

    def fails(self: Distillation, epoch: int) -> None:
        if epoch == 1 and self.seeds == (3,):
            raise RuntimeError("out of memory")
        start(self, epoch)

    monkeypatch.setattr(Distillation, "start_epoch", fails)
    with pytest.raises(UserError, match=r"failed seeds: 3 \(RuntimeError: out of memory\)"):
        run(compose, tmp_path, "seed=3-4")
    directory = seed_dir(tmp_path, 3)
    assert names(directory) == UNFINISHED
    assert pl.read_parquet(directory / "steps.parquet")["step"].to_list() == list(range(6))
    failure = (directory / "failure.txt").read_text()
    assert failure.startswith("Traceback")
    assert failure.endswith("RuntimeError: out of memory\n")
    assert names(seed_dir(tmp_path, 4)) == COMPLETE
    assert temporary_files(tmp_path) == []
