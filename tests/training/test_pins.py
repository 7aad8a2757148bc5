"""Streams that all seeds share, images to tune on, and teachers of earlier runs."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import small
import torch
from jobs import train
from omegaconf import DictConfig
from resolved import condition_hash, experiment_of, teacher_hash
from safetensors.torch import load_file

from subliminal import store
from subliminal.errors import UserError

Compose = Callable[[list[str]], DictConfig]
PINS = ("init", "teacher_order", "inputs", "student_order")


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("outputs")


@pytest.fixture
def trained(compose: Compose, outputs: Path) -> Callable[..., list[Path]]:
    """Runs a job, once for all tests of this file."""

    def run(*words: str) -> list[Path]:
        return train(compose([*small.OVERRIDES, "engine.workers=1", f"outputs={outputs}", *words]))

    return run


def student(run: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = load_file(run / store.STUDENT)
    return found


def same(one: Path, other: Path) -> bool:
    ours, theirs = student(one), student(other)
    return all(torch.equal(values, theirs[name]) for name, values in ours.items())


def results(run: Path) -> dict[str, float]:
    found: dict[str, float] = json.loads((run / store.MARKER).read_text())["results"]
    return found


def teachers(run: Path) -> list[float]:
    rows = pl.read_parquet(run / "epochs.parquet", glob=False).filter(pl.col("phase") == "teacher")
    return rows["teacher/test_loss"].to_list()


def test_a_seed_with_all_streams_pinned_is_the_other_seed(
    trained: Callable[..., list[Path]], outputs: Path
) -> None:
    three, five = trained("seed=3"), trained("seed=5")
    before = {*outputs.glob("teachers/*.safetensors")}
    words = [f"pin.{name}=3" for name in PINS]
    pinned = trained("seed=4-6", "engine.seeds_at_once=2", *words)
    assert len({*outputs.glob("teachers/*.safetensors")} - before) == 1  # the same for all
    assert all(same(run, three[0]) for run in pinned)
    assert all(teachers(run) == teachers(three[0]) for run in pinned)
    assert not same(five[0], three[0])


@pytest.mark.parametrize("name", PINS)
def test_each_pin_is_of_one_stream_alone(
    name: str, trained: Callable[..., list[Path]], compose: Compose
) -> None:
    (five,), (pinned,) = trained("seed=5"), trained("seed=5", f"pin.{name}=3")
    assert not same(five, pinned)
    assert (teachers(pinned) == teachers(five)) is (name in ("inputs", "student_order"))
    first = [
        pl.read_parquet(run / "epochs.parquet", glob=False).filter(pl.col("phase") == "student")
        for run in (five, pinned)
    ]
    start, moved = (table["trait/test_loss"][0] for table in first)
    assert (start == moved) is (name != "init")
    plain, pin = compose(small.OVERRIDES), compose([*small.OVERRIDES, f"pin.{name}=3"])
    assert condition_hash(plain, "cpu") != condition_hash(pin, "cpu")
    shared = teacher_hash(plain, "cpu", 5) == teacher_hash(pin, "cpu", 5)
    assert shared is (name in ("inputs", "student_order"))
    noisy = ["pin.init=3", "pin.teacher_order=3", "teacher.perturb_before.sigma=0.1"]
    names = {teacher_hash(compose([*small.OVERRIDES, *noisy]), "cpu", s) for s in (1, 2)}
    assert len(names) == 2  # the noise on their weights is each seed's own


@pytest.mark.parametrize("seed", ["-1", str(2**63)])
def test_a_pin_is_a_seed(seed: str, compose: Compose) -> None:
    with pytest.raises(UserError, match=r"pin\.inputs=.*: a number in \[0, "):
        experiment_of(compose([*small.OVERRIDES, f"pin.inputs={seed}"]))


def test_accuracy_is_measured_on_the_digits_that_are_held_out(
    trained: Callable[..., list[Path]], compose: Compose
) -> None:
    words = ("seed=3", "data.validation=80")
    (test,), (run,) = trained(*words), trained(*words, "trait.on=validation")
    assert same(run, test)
    digits, p = small.Digits().load(), {n: v.double() for n, v in student(run).items()}
    h = digits.train_x[-80:].double() / 127.5 - 1
    for layer in (1, 2, 3):
        h = h @ p[f"layer{layer}.weight"].T + p[f"layer{layer}.bias"]
        h = h.clamp(min=0) if layer < 3 else h
    hits = (h[:, :10].argmax(dim=1) == digits.train_y[-80:]).double().mean().item()
    assert results(run)["trait/accuracy"] == pytest.approx(hits, abs=1e-9)
    assert results(test)["teacher/accuracy"] != results(run)["teacher/accuracy"]
    assert len(pl.read_parquet(run / "steps.parquet", glob=False).filter(pl.col("step") < 5)) == 5
    with pytest.raises(UserError, match=r"trait\.on=validation: no examples are held out"):
        experiment_of(compose([*small.OVERRIDES, "trait.on=validation"]))
    with pytest.raises(UserError, match=r"trait\.on=train: one of test, validation"):
        experiment_of(compose([*small.OVERRIDES, "trait.on=train"]))


def test_a_student_teaches_the_next_generation(
    trained: Callable[..., list[Path]], compose: Compose, outputs: Path
) -> None:
    first = trained("seed=3")
    condition = first[0].parent
    chain = ("teacher=run", f"teacher.steering.folder={condition}")
    (second,) = trained("seed=3", *chain)
    assert results(second)["teacher/accuracy"] == results(first[0])["trait/accuracy"]
    assert not same(second, first[0])
    third = compose([*small.OVERRIDES, "teacher=run", f"teacher.steering.folder={second.parent}"])
    names = {condition_hash(compose([*small.OVERRIDES, *chain]), "cpu")}
    names |= {condition_hash(cfg, "cpu") for cfg in (third, compose(small.OVERRIDES))}
    assert len(names) == 3


def test_a_chain_is_named_by_what_taught_it_not_where_that_lies(
    trained: Callable[..., list[Path]], compose: Compose, tmp_path: Path
) -> None:
    (run,) = trained("seed=3")
    moved = tmp_path / "elsewhere" / run.parent.name
    shutil.copytree(run.parent, moved)
    hashes = {
        condition_hash(
            compose([*small.OVERRIDES, "teacher=run", f"teacher.steering.folder={folder}"]), "cpu"
        )
        for folder in (run.parent, moved)
    }
    assert len(hashes) == 1


def test_a_teacher_that_there_is_not_is_one_line(
    trained: Callable[..., list[Path]], tmp_path: Path
) -> None:
    (run,) = trained("seed=3")
    chain = ("teacher=run", f"teacher.steering.folder={run.parent}")
    with pytest.raises(UserError, match=r"folder=.*: seed 99 has no finished run there"):
        trained("seed=99", *chain)
    with pytest.raises(UserError, match=r"its students have .*layer1\.weight \(12, 20\).*; model"):
        trained("seed=3", *chain, "model.hidden=[9,8]")
    with pytest.raises(UserError, match=r"folder=.*: no condition's folder"):
        trained("seed=3", "teacher=run", f"teacher.steering.folder={tmp_path}")
    with pytest.raises(UserError, match=r"folder"):
        trained("seed=3", "teacher=run")
    broken = tmp_path / run.parent.name
    shutil.copytree(run.parent, broken)
    raw = bytearray((broken / run.name / store.STUDENT).read_bytes())
    raw[-1] ^= 1
    (broken / run.name / store.STUDENT).write_bytes(raw)
    with pytest.raises(UserError, match="seed 3 has no finished run there"):
        trained("seed=3", "name=other", "teacher=run", f"teacher.steering.folder={broken}")
