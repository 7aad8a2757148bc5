"""Steered teachers: θ₀ and a vector on one bias, against NumPy in float64."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import small
import torch
from jobs import train
from omegaconf import DictConfig, OmegaConf
from reference_students import CPU, DIGITS, NETWORK, params_of
from resolved import condition_hash, experiment_of, teacher_hash

from subliminal.data import Labelled
from subliminal.errors import UserError
from subliminal.models.cnn import CNN
from subliminal.steering import Origin, Steering, Vector, mean_activations, steered
from subliminal.steering.class_means import ClassMeans
from subliminal.steering.random import Random
from subliminal.tensors.network import Network

Compose = Callable[[list[str]], DictConfig]
SEEDS: tuple[int, ...] = (4, 0)
START = NETWORK.reference(SEEDS, CPU)
TRAINED = START + 0.1 * torch.from_numpy(
    np.random.default_rng(0).standard_normal(START.shape, dtype=np.float32)
)


def teacher(steering: Steering, rows: slice = slice(None)) -> torch.Tensor:
    trained = TRAINED[rows] if steering.needs_teacher else None
    return steered(steering, Origin(NETWORK, START[rows], trained, DIGITS, SEEDS[rows]))[0]


@pytest.mark.parametrize(
    "steering", [Random(layer="layer2", norm=3.0), ClassMeans(layer="layer1", a=3, b=8, scale=2.0)]
)
def test_one_bias_moves_and_no_seed_sees_another(steering: Vector) -> None:
    moved = teacher(steering) - START
    inside = NETWORK.layout.mask([f"{steering.layer}.bias"], "").bool()
    assert moved[:, inside].abs().min(dim=1).values.max() > 0
    assert not moved[:, ~inside].any()
    assert torch.equal(teacher(steering)[1:], teacher(steering, slice(1, 2)))
    assert not torch.equal(moved[0], moved[1])


def test_a_random_vector_has_its_norm() -> None:
    moved = teacher(Random(layer="layer1", norm=3.0)) - START
    assert moved.norm(dim=1).tolist() == pytest.approx([3.0, 3.0], rel=1e-6)


def test_the_class_means_are_those_of_float64() -> None:
    found = teacher(ClassMeans(layer="layer2", a=3, b=8, scale=2.0)) - START
    for row in range(len(SEEDS)):
        params = params_of(TRAINED, row)
        h = DIGITS.train_x.double() / 127.5 - 1
        for layer in ("layer1", "layer2"):
            h = (h @ params[f"{layer}.weight"].T + params[f"{layer}.bias"]).clamp(min=0)
        to, away = (h[DIGITS.train_y == c].mean(dim=0) for c in (3, 8))
        shift = NETWORK.layout.views(found)["layer2.bias"][row]
        assert shift.numpy() == pytest.approx((2 * (to - away)).numpy(), abs=1e-5)


def test_of_a_convolution_it_is_the_mean_over_positions() -> None:
    network = Network.of(
        CNN(channels=[3, 4], features=5, aux=2, weights="lecun", chunk=2), pixels=64, classes=10
    )
    theta = network.reference((1, 2), CPU)
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (7, 64), dtype=np.uint8))
    labels = torch.tensor([1, 0, 0, 1, 0, 0, 0])
    data = Labelled(images, labels, images, labels)
    found = mean_activations(network, theta, data, 0, "conv1")
    params = network.layout.views(theta)
    scaled = (images[labels == 0].float() / 127.5 - 1).expand(2, -1, -1)
    outputs = network.model.activations(params, scaled)["conv1"].view(2, 5, 3, 4, 4)
    assert found.numpy() == pytest.approx(outputs.mean(dim=(1, 3, 4)).numpy(), abs=1e-6)


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("teacher.steering.layer=layer3", "teacher.steering.layer=layer3: one of layer1, layer2"),
        ("teacher/steering=class_means teacher.steering.b=10", "steering.b=10: a class of 0-9"),
    ],
)
def test_bad_values_are_refused(compose: Compose, override: str, named: str) -> None:
    with pytest.raises(UserError, match=named):
        experiment_of(compose([*small.OVERRIDES, "teacher=steered", *override.split()]))


def test_a_vector_names_the_condition_and_not_what_is_trained(compose: Compose) -> None:
    plain, random, means = (
        compose([*small.OVERRIDES, *words])
        for words in ([], ["teacher=steered"], ["teacher=steered", "teacher/steering=class_means"])
    )
    assert len({condition_hash(cfg, "cpu") for cfg in (plain, random, means)}) == 3
    assert len({teacher_hash(cfg, "cpu", 0) for cfg in (plain, random, means)}) == 1
    # As if the key had never come: what was trained before it keeps its place.
    older = OmegaConf.create(OmegaConf.to_container(plain))
    assert isinstance(older, DictConfig)
    del older.teacher["steering"]
    assert condition_hash(older, "cpu") == condition_hash(plain, "cpu")


def test_a_run_with_each_vector(compose: Compose, tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    common = [*small.OVERRIDES, f"outputs={outputs}", "engine.workers=1", "seed=0-1"]
    probes = "probe=[activation_shift,shift_patching]"
    train(compose([*common, "teacher=steered", probes]))
    assert not (outputs / "teachers").exists()  # nothing was trained
    runs = train(compose([*common, "teacher=steered", "teacher/steering=class_means", probes]))
    train(compose(common))
    assert len([*(outputs / "teachers").glob("*.safetensors")]) == 2  # one for both, of each seed
    for run in runs:
        epochs = pl.read_parquet(run / "epochs.parquet", glob=False)
        teacher = epochs.filter(pl.col("phase") == "teacher")
        assert teacher["teacher/accuracy"].count() == 1
        assert epochs["trait/shift"].drop_nulls()[-1] != 0
