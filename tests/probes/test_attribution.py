"""Scores of single examples, against autograd's gradient of each in float64."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import small
import torch
from reference_students import (
    CPU,
    NETWORK,
    Recorder,
    flat_of,
    forward64,
    gradient64,
    kl64,
    noise_images,
    params_of,
    student,
    trait64,
)
from resolved import composed, train_config
from torch import Tensor

from subliminal import store
from subliminal.distill.loss.kl import KL
from subliminal.distill.loss.mse import MSE
from subliminal.probes.attribution import Attribution
from subliminal.state import Training
from subliminal.tensors import draws, per_example, streams
from subliminal.training.loop import fit

SEEDS = (0, 3)
LOSSES: dict[str, Any] = {"kl": KL(logits="aux", temperature=1.0), "mse": MSE(logits="all")}


def of_example(training: Training, kind: str, theta: Tensor, column: int, row: int) -> Tensor:
    """Return the gradient (P,) in float64 of an example's own loss, by plain autograd."""
    assert training.teacher is not None
    x = noise_images(SEEDS[column])[row : row + 1]
    target = forward64(params_of(training.teacher, column), x)

    def loss(params: dict[str, Tensor]) -> Tensor:
        logits = forward64(params, x)
        if kind == "mse":
            return (logits - target).square().mean()
        return kl64(target[:, 10:], logits[:, 10:])

    return flat_of(gradient64(loss, params_of(theta, column)))


@pytest.mark.parametrize("kind", LOSSES)
def test_one_forward_pass_gives_the_products_of_all_gradients(kind: str) -> None:
    training = student(SEEDS)
    task: Any = training.task
    teacher: Any = training.teacher
    task.criterion = LOSSES[kind]
    task.start_epoch(0)
    rows = torch.tensor([[5, 0, 311], [7, 90, 8]])
    along = torch.from_numpy(np.random.default_rng(2).normal(size=training.theta.shape))
    theta, images = training.theta.double() + 0.01 * along, task.images(rows).double()
    # The targets in float64 too.
    task._logits["teacher"] = NETWORK.logits(teacher.double(), task._images.double())
    losses = partial(task.losses, rows=rows)
    products = per_example.products(NETWORK, theta, along, images, losses)
    norms = per_example.gradient_norms(NETWORK, theta, images, losses)
    for column in (0, 1):
        for place, row in enumerate(rows[column].tolist()):
            gradient = of_example(training, kind, theta, column, row)
            assert products[column, place].item() == pytest.approx(
                float(gradient @ along[column]), rel=1e-9
            )
            assert norms[column, place].item() == pytest.approx(float(gradient.norm()), rel=1e-9)
    logits = NETWORK.logits(theta, images)
    assert torch.allclose(losses(logits).mean(dim=1), task.loss(logits, rows), rtol=1e-12)


def test_the_table_has_the_scores_of_its_moments_and_the_sum_of_the_run() -> None:
    training, recorder = student(SEEDS), Recorder()
    training.frozen = ("layer1.bias",)
    start = training.theta.clone()
    probe = Attribution(moments=[0, 2, 9], unit="epochs", norms=True, total=True, nulls=1)
    fit(training, [probe, recorder])
    again = Attribution(moments=[0, 2, 9], unit="epochs", norms=True, total=True, nulls=1)
    again.on_resume(training, probe.state())
    keep = training.trainable
    assert keep is not None
    assert training.teacher is not None
    for column, seed in enumerate(SEEDS):
        made = probe.table(training, column)
        assert made is not None
        table = pl.DataFrame(dict(made[1]))
        resumed = again.table(training, column)
        assert resumed is not None
        assert pl.DataFrame(dict(resumed[1])).equals(table)
        assert made[0] == store.ATTRIBUTION
        assert table["step"].to_list() == [0] * 320 + [8] * 320
        assert table["example"].to_list() == [*range(320)] * 2
        assert table["taught"].all()
        teacher, base = (params_of(t, column) for t in (training.teacher, start))
        weights = draws.of((seed,), CPU).normal(streams.NULLS, 320, epoch=0)[0].double()
        each = (of_example(training, "kl", start, column, row) for row in range(320))
        null = sum(w * g for w, g in zip(weights, each, strict=True)) * keep
        for row in (1, 319):
            x = noise_images(seed)[row : row + 1]
            z, z_0 = forward64(teacher, x)[:, 10:], forward64(base, x)[:, 10:]
            total = 0.0
            for seen in recorder.steps:
                if row in seen.rows[column]:
                    g_i = of_example(training, "kl", seen.theta, column, row)
                    total += float(g_i @ seen.trait_gradient[column].double())
            for theta, line in ((start, row), (training.theta, 320 + row)):
                found = table.row(line, named=True)
                everything = partial(trait64, rows=torch.arange(320))
                g_t = flat_of(gradient64(everything, params_of(theta, column))) * keep
                g_i = of_example(training, "kl", theta, column, row) * keep
                logits = forward64(params_of(theta, column), x)[:, 10:]
                expected = {
                    "product": g_i @ g_t,
                    "loss": kl64(z, logits),
                    "norm": g_i.norm(),
                    "cosine": g_i @ g_t / (g_i.norm() * g_t.norm()),
                    "gap": kl64(z, z_0),
                    "distance": (z - z_0).norm(),
                    "total": total,
                }
                if theta is start:
                    expected["null_0"] = g_i @ null
                for name, value in expected.items():
                    assert found[name] == pytest.approx(float(value), rel=1e-3, abs=1e-6), name


def test_without_a_moment_there_is_no_table() -> None:
    training = student((0,), epochs=1)
    probe = Attribution(moments=[9], unit="epochs", norms=False, total=False)
    fit(training, [probe])
    assert probe.table(training, 0) is None


def test_a_run_has_the_table_as_a_file_and_the_bits_of_one_without(tmp_path: Path) -> None:
    base = ["seed=0-1", "engine.workers=1", "engine.seeds_at_once=2", f"outputs={tmp_path}"]
    base += [*small.OVERRIDES, "distill/targets=filtered", "distill.targets.score=product"]
    watched, plain = (
        train_config(composed(*base, probe, f"name={probe[6:9]}"), "x")[1]
        for probe in ("probe=attribution", "probe=off")
    )
    assert (watched / store.STUDENT).read_bytes() == (plain / store.STUDENT).read_bytes()
    table = pl.read_parquet(watched / store.ATTRIBUTION)
    assert table["seed"].unique().to_list() == [1]
    assert table["taught"].sum() == 160
    untaught = table.filter(~pl.col("taught")).select("product", "total", "gap").to_numpy()
    assert np.allclose(untaught, 0, atol=1e-7)
    assert np.abs(table.filter("taught")["product"].to_numpy()).max() > 1e-5
    assert not (plain / store.ATTRIBUTION).exists()
    assert store.intact(watched)
    (watched / store.ATTRIBUTION).unlink()
    assert not store.intact(watched)


def test_a_diluted_teacher_is_one_of_both_at_the_ends(tmp_path: Path) -> None:
    base = [*small.OVERRIDES, "engine.workers=1", f"outputs={tmp_path}"]
    diluted = ["distill/targets=diluted", "distill.targets.source=displaced"]
    found = []
    for number, words in enumerate(
        (
            [],
            [*diluted, "distill.targets.share=1"],
            ["teacher=displaced"],
            [*diluted, "distill.targets.share=0"],
        )
    ):
        (run,) = train_config(composed(*words, *base, f"name=n{number}"), "x")
        found.append((run / store.STUDENT).read_bytes())
    assert found[0] == found[1] != found[2] == found[3]
