"""Trained networks as torch modules: the network's own logits, and those of plain NumPy."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import small
import torch
from api_calls import TrainedByApi
from safetensors.torch import load_file

import subliminal as sl
from subliminal.models.cnn import CNN
from subliminal.models.mlp import MLP
from subliminal.models.split_mlp import SplitMLP
from subliminal.tensors.network import Model, Network

Run = Callable[..., tuple[int, str, str]]

DIGITS = small.Digits().load()
NETWORK = Network.of(MLP(hidden=[12, 8], aux=3), pixels=20, classes=10)


def by_hand(weights: dict[str, torch.Tensor], x: np.ndarray) -> np.ndarray:
    for layer in (1, 2, 3):
        w, b = (weights[f"layer{layer}.{part}"].double().numpy() for part in ("weight", "bias"))
        x = x @ w.T + b
        x = np.maximum(x, 0) if layer < 3 else x
    return x


def test_its_logits_are_the_networks_own(trained_by_api: TrainedByApi) -> None:
    run = trained_by_api.runs[0]
    weights = load_file(run.folder / "student.safetensors")
    student = run.student()
    assert {name: value.tolist() for name, value in student.state_dict().items()} == {
        name: value.tolist() for name, value in weights.items()
    }
    x = DIGITS.scale(DIGITS.test_x)
    theta = NETWORK.layout.flatten(
        [weights[name][None] for name in NETWORK.layout.shapes], torch.zeros(1, NETWORK.layout.size)
    )
    assert torch.equal(student(x), NETWORK.logits(theta, x[None])[0])
    expected = by_hand(weights, x.double().numpy())
    assert np.allclose(student(x).numpy(), expected, atol=1e-5)
    # Pixels as files have them, and images in their own shape.
    assert torch.equal(student(DIGITS.test_x), student(x))
    assert torch.equal(student(x.view(-1, 1, 4, 5)), student(x))
    assert torch.equal(run.data().test_x, DIGITS.test_x)


def test_teacher_and_student_score_as_recorded(trained_by_api: TrainedByApi) -> None:
    for run in trained_by_api.runs:
        networks = {"teacher/accuracy": run.teacher(), "trait/accuracy": run.student()}
        for metric, network in networks.items():
            assert network.classes == 10
            guessed = network(DIGITS.test_x)[:, : network.classes].argmax(dim=1)
            accuracy = (guessed == DIGITS.test_y).double().mean().item()
            assert accuracy == pytest.approx(run.results[metric], abs=1e-9)


def test_weights_are_frozen_and_gradients_reach_the_images(trained_by_api: TrainedByApi) -> None:
    student = trained_by_api.runs[0].student()
    images = torch.rand(3, 1, 4, 5, requires_grad=True)
    student(images).sum().backward()
    assert images.grad is not None
    assert images.grad.abs().sum() > 0
    assert not any(p.requires_grad for p in student.parameters())


@pytest.mark.parametrize("shape", [(2, 1, 28, 28), (20,)])
def test_other_images_are_refused(shape: tuple[int, ...], trained_by_api: TrainedByApi) -> None:
    with pytest.raises(sl.UserError, match="of 20 pixels each are needed"):
        trained_by_api.runs[0].student()(torch.zeros(shape))


@pytest.mark.parametrize(
    "model",
    [
        SplitMLP(hidden=[6], aux=3, weights="torch"),
        CNN(channels=[2], features=5, aux=3, weights="torch", chunk=8),
    ],
)
def test_networks_with_two_heads_keep_the_names_of_their_layers(model: Model) -> None:
    network = Network.of(model, pixels=16, classes=10)
    theta = network.reference((0,), torch.device("cpu"))
    weights = {name: view[0] for name, view in network.layout.views(theta).items()}
    frozen = sl.TrainedNetwork(network, weights, small.Squares())
    assert {name for name, _ in frozen.named_parameters()} == network.layout.shapes.keys()
    images = torch.rand(7, 1, 4, 4)
    assert torch.equal(frozen(images), network.logits(theta, images.view(1, 7, 16))[0])


def test_pixels_are_scaled_as_the_run_says() -> None:
    weights = {name: torch.rand(shape) for name, shape in NETWORK.layout.shapes.items()}
    digits = small.Digits(normalise="mean_std")
    network = sl.TrainedNetwork(NETWORK, weights, digits)
    mean, std = digits.load().mean_std or (0, 0)
    scaled = (DIGITS.test_x.double() / 255 - mean) / std
    assert torch.allclose(network(DIGITS.test_x), network(scaled.float()), atol=1e-5)


def test_a_linearised_student_is_no_network(run: Run, tmp_path: Path) -> None:
    assert run("seed=0", "distill.linearised=true")[0] == 0
    (one,) = sl.load(tmp_path / "outputs")
    with pytest.raises(sl.UserError, match=r"its student is no network \(distill\.linearised"):
        one.student()
    folder = f"teacher.steering.folder='{one.folder.parent}'"
    status, _, error = run("seed=0", "teacher/steering=run", folder)
    assert (status, "its student is no network" in error) == (2, True)


def test_a_teacher_with_noise_on_its_weights_is_the_one_that_taught(
    run: Run, tmp_path: Path
) -> None:
    status, _, err = run("seed=0", "teacher.perturb_after.sigma=0.5")
    assert status == 0, err
    (one,) = sl.load(tmp_path / "outputs")
    (cached,) = (tmp_path / "outputs" / "teachers").glob("*.safetensors")
    noise = [p - load_file(cached)[name] for name, p in one.teacher().named_parameters()]
    assert torch.cat([n.flatten() for n in noise]).std().item() == pytest.approx(0.5, rel=0.1)
    images = torch.rand(64, 20) * 2 - 1
    student, teacher = one.student()(images)[:, 10:], one.teacher()(images)[:, 10:]
    apart = torch.nn.functional.kl_div(
        student.log_softmax(1), teacher.softmax(1), reduction="batchmean"
    )
    shutil.rmtree(cached.parent)
    with pytest.raises(sl.UserError, match=r"its teacher is no longer in .*teachers"):
        one.teacher()
    recorded = one.results["distill/loss"]
    assert apart.item() == pytest.approx(recorded, rel=1.0)  # the student has it from this teacher
