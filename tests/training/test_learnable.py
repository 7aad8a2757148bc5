"""Settings in which nothing can be learned: each is told, and is so when it is trained."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import small
from omegaconf import DictConfig
from resolved import experiment_of, train_config

from subliminal.errors import UserError
from subliminal.sweep.console import Console
from subliminal.training.learnable import doubts

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
ELSE = [  # gradients of pure rounding move a student; and teachers
    ("distill.loss.temperature=1e8", "distill.loss.temperature=1e+08", "lost in rounding"),
    ("distill/loss=standardised_kl distill.loss.temperature=1e9", "temperature=1e+09", "lost"),
    ("model=split_mlp teacher.frozen=[layer1,layer2,class]", "teacher.frozen=", "has a gradient"),
    ("teacher.optim.lr=1e-12", "teacher.optim.lr=1e-12", "the teacher's updates are lost"),
]
ALIKE = ["distill/inputs=constant", "distill.inputs.size=1 distill.batch_size=1"]
FINE = [
    "",
    "distill=lora model.hidden=[12,8]",
    "model=split_mlp distill.frozen=[class]",
    "model=split_mlp teacher.frozen=[class,aux]",
    "distill=swapped_logits",
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


def words(line: str) -> list[str]:
    """Return the overrides of a small run; the options come before their values."""
    return [*line.split(), *(o for o in small.OVERRIDES if o.partition("=")[0] not in line)]


def told(compose: Compose, line: str) -> list[str]:
    cfg = compose(words(line))
    return list(doubts(experiment_of(cfg), cfg))


@pytest.mark.parametrize(("line", "key", "why"), NOTHING)
def test_a_student_that_cannot_learn_is_told_and_does_not(
    compose: Compose,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    line: str,
    key: str,
    why: str,
) -> None:
    cfg = compose([*words(line), f"outputs={tmp_path}", "seed=0-1", "engine.workers=1"])
    runs = train_config(cfg, "x", Console())
    (warning,) = [text for text in capsys.readouterr().err.splitlines() if "warning" in text]
    assert warning.startswith("warning: ")
    assert key in warning
    assert why in warning
    for run in runs:
        rows = pl.read_parquet(run / "epochs.parquet").filter(phase="student")
        assert rows["epoch"].to_list() == [0, 1, 2]
        assert rows["trait/accuracy"].n_unique() == 1


@pytest.mark.parametrize(("line", "key", "why"), ELSE)
def test_noise_and_teachers_that_cannot_learn_are_told(
    compose: Compose, line: str, key: str, why: str
) -> None:
    (doubt,) = told(compose, line)
    assert key in doubt
    assert why in doubt


@pytest.mark.parametrize("line", ALIKE)
def test_so_is_that_all_images_are_the_same_one(compose: Compose, line: str) -> None:
    (doubt,) = told(compose, line)
    assert doubt.startswith("distill.inputs: all images are the same one")


@pytest.mark.parametrize("line", FINE)
def test_nothing_is_said_of_what_can_be_learned(compose: Compose, line: str) -> None:
    assert told(compose, line) == []


def test_nor_of_a_convolutional_network(compose: Compose) -> None:
    cfg = compose(["model=cnn", "model.channels=[3,4]", "model.features=6"])
    assert list(doubts(experiment_of(cfg), cfg)) == []


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("model.aux=1", "distill.loss.logits=aux: the softmax of 1 logit"),
        ("distill/loss=standardised_kl model.aux=1", "distill.loss.logits=aux: the softmax of 1"),
        ("distill/loss=standardised_kl model.aux=2", "distill.loss.logits=aux: the softmax of 2"),
        (
            "mitigation=liminal mitigation.liminal.logits=aux distill/loss=mse model.aux=1",
            "mitigation.liminal.logits=aux: the softmax of 1 logit",
        ),
    ],
)
def test_a_softmax_of_too_few_logits_is_refused(compose: Compose, line: str, named: str) -> None:
    with pytest.raises(UserError) as refused:
        experiment_of(compose(words(line)))
    assert str(refused.value).startswith(named)
    assert "model.aux=" in str(refused.value)
