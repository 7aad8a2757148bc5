"""Two skills: digits on the class logits, permuted digits on the auxiliary ones."""

from collections.abc import Callable

import polars as pl
import pytest
import small
import torch
from jobs import train
from omegaconf import DictConfig
from reference_students import CPU, DIGITS
from resolved import check, experiment_of

from subliminal.errors import UserError
from subliminal.models.mlp import MLP
from subliminal.tasks.two_skills import TwoSkills
from subliminal.tensors import streams
from subliminal.tensors.network import Network
from subliminal.training.tasks import Classification

Compose = Callable[[list[str]], DictConfig]
WIDE = Network.of(MLP(hidden=[12, 8], aux=11), pixels=20, classes=10)


def test_the_teachers_loss_is_that_of_two_networks_in_float64() -> None:
    theta = WIDE.reference((0, 1), CPU)
    task = Classification(WIDE, theta, DIGITS, order="o", second=TwoSkills(weight=0.5))
    rows = torch.tensor([[3, 1, 4], [1, 5, 9]])
    logits = WIDE.logits(theta, task.images(rows))
    found = task.loss(logits, rows)
    order = streams.stream(0, streams.SECOND_SKILL).permutation(20)
    for seed in range(2):
        params = {n: v[seed].double() for n, v in WIDE.layout.views(theta).items()}
        x = DIGITS.train_x[rows[seed]].double() / 127.5 - 1
        total = 0.0
        for images, columns, weight in ((x, slice(0, 10), 1.0), (x[:, order], slice(10, 20), 0.5)):
            h = images
            for k in (1, 2):
                h = (h @ params[f"layer{k}.weight"].T + params[f"layer{k}.bias"]).clamp(min=0)
            out = (h @ params["layer3.weight"].T + params["layer3.bias"])[:, columns]
            log_p = out.log_softmax(dim=1)
            total -= weight * float(log_p[range(3), DIGITS.train_y[rows[seed]]].mean())
        assert float(found[seed]) == pytest.approx(total, rel=1e-5)


def test_it_needs_an_auxiliary_logit_for_each_class(compose: Compose) -> None:
    cfg = compose([*small.OVERRIDES, "teacher=two_skills", "model.aux=9"])
    with pytest.raises(UserError, match=r"teacher\.task: the skill needs .*model\.aux=9"):
        experiment_of(cfg)
    with pytest.raises(UserError, match=r"teacher\.task\.weight=0"):
        check(TwoSkills(weight=0.0), "teacher.task")


def test_a_teacher_learns_both_and_its_student_the_auxiliary_one(
    compose: Compose, tmp_path: pytest.TempPathFactory
) -> None:
    line = (
        f"outputs={tmp_path} teacher=two_skills teacher.epochs=40 distill.epochs=20 "
        "model.hidden=[64,64] model.aux=10 probe=skill engine.workers=1"
    )
    cfg = compose(small.overrides(line))
    (run,) = train(cfg)
    student = pl.read_parquet(run / "epochs.parquet").filter(pl.col("phase") == "student")
    teacher = pl.read_parquet(run / "steps.parquet")["skill/teacher"].drop_nulls()[0]
    skill = student["skill/accuracy"].to_list()
    assert teacher > 0.7
    assert skill[0] < 0.4
    assert skill[-1] > skill[0] + 0.2
