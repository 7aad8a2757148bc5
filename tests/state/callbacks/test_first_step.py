"""Trainings that can learn nothing: each is warned of after its first step, and learns nothing."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import small
import torch
from omegaconf import DictConfig
from resolved import train_config

from subliminal.state.callbacks.first_step import _lost

Compose = Callable[[list[str]], DictConfig]

NOTHING = [
    ("model=split_mlp distill.frozen=[layer1,layer2,aux]", "distill.frozen=", "has a gradient"),
    ("model=split_mlp distill.frozen=[layer1,layer2]", "distill.frozen=", "the class logits"),
    ("distill.frozen=[layer1,layer2]", "distill.frozen=", "the class logits"),
    ("optim.lr=1e-12", "optim.lr=1e-12", "updates are lost"),
    ("optim=sgd optim.lr=1e-12", "optim.lr=1e-12", "updates are lost"),
    ("distill.loss.temperature=1e-35", "distill.loss.temperature=1e-35", "lost in rounding"),
    ("distill.loss.temperature=1e-14", "distill.loss.temperature=1e-14", "updates are lost"),
]
ELSE = [  # gradients of pure rounding move a student; teachers; images that are all one
    ("distill.loss.temperature=1e8", "distill.loss.temperature=1e+08", "lost in rounding"),
    ("distill/loss=standardised_kl distill.loss.temperature=1e9", "temperature=1e+09", "lost"),
    ("model=split_mlp teacher.frozen=[layer1,layer2,class]", "teacher.frozen=", "has a gradient"),
    ("teacher.optim.lr=1e-12", "teacher.optim.lr=1e-12", "the teacher's updates are lost"),
    ("distill/inputs=constant", "distill.inputs: ", "all images are the same one"),
    ("distill.inputs.size=1 distill.batch_size=1", "distill.inputs: ", "the same one"),
]
FINE = [
    "",
    "distill=lora model.hidden=[12,8]",
    "model=split_mlp distill.frozen=[class]",
    "model=split_mlp teacher.frozen=[class,aux]",
    "distill=swapped_logits",
    "distill.batch_size=1 distill.inputs.size=5",
    "distill/inputs=mnist",
    "distill/inputs=perlin",
    "distill/loss=standardised_kl",
    "distill/loss=mse model.aux=1",
    "distill/loss=kl distill.loss.logits=all model.aux=1",
    "distill.loss.temperature=20",
    "distill.loss.temperature=0.01",
    "optim=sgd",
    "optim=sign_sgd",
    "optim=rmsprop",
    "optim=adamw",
    "optim=matched/preconditioned_sgd",
    "teacher=steered teacher.frozen=[layer1,layer2]",
]


@pytest.mark.parametrize(("error", "lost"), [(0.49, False), (0.51, True), (float("nan"), True)])
def test_a_tensor_is_lost_from_a_half_on(error: float, lost: bool) -> None:
    exact = torch.ones(3, dtype=torch.float64)
    assert bool(_lost(((1 - error) * exact).float(), exact)) == lost


@pytest.fixture
def warned(
    compose: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], tuple[list[str], list[Path]]]:
    """Runs a small job; returns the warnings that it prints, and its runs."""

    def run(line: str) -> tuple[list[str], list[Path]]:
        words = [f"outputs={tmp_path}", "seed=0", "engine.workers=1"]
        runs = train_config(compose([*small.overrides(line), *words]), "x")
        printed = capsys.readouterr().err.splitlines()
        return [text for text in printed if text.startswith("warning: ")], runs

    return run


Warned = Callable[[str], tuple[list[str], list[Path]]]


@pytest.mark.parametrize(("line", "key", "why"), [*NOTHING, *ELSE])
def test_a_training_that_cannot_learn_is_warned_of_and_such_a_student_does_not(
    warned: Warned, line: str, key: str, why: str
) -> None:
    (warning,), runs = warned(line)
    assert key in warning
    assert why in warning
    for run in runs if (line, key, why) in NOTHING else []:
        rows = pl.read_parquet(run / "epochs.parquet").filter(phase="student")
        assert rows["epoch"].to_list() == [0, 1, 2]
        assert rows["trait/accuracy"].n_unique() == 1


@pytest.mark.parametrize("line", FINE)
def test_nothing_is_said_of_what_can_be_learned(warned: Warned, line: str) -> None:
    assert warned(line)[0] == []
