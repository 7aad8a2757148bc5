"""How pixels are scaled: to [-1, 1], or by mean and standard deviation."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
import small
import torch
from torchvision import transforms

from subliminal.data import Labelled
from subliminal.data.emnist import EMNIST
from subliminal.data.fashion import FashionMNIST
from subliminal.data.mnist import MNIST
from subliminal.errors import UserError

DIGITS = small.Digits().load()
STANDARDISED = DIGITS.normalised("mean_std")
LEVELS = torch.arange(256, dtype=torch.uint8).repeat(2, 1)


def test_unit_against_float64() -> None:
    assert DIGITS.normalised("unit") is DIGITS
    y = DIGITS.scale(LEVELS)
    assert y.dtype == torch.float32
    assert y.shape == LEVELS.shape
    assert y.min() == -1
    assert y.max() == 1
    torch.testing.assert_close(y.double(), LEVELS.double() / 127.5 - 1, rtol=0, atol=1.2e-7)
    assert torch.equal(LEVELS[0], torch.arange(256, dtype=torch.uint8))  # not in place


def test_standardised_pixels_are_torchvisions_to_the_last_bit() -> None:
    field = transforms.Compose([transforms.ToTensor(), transforms.Normalize(0.1307, 0.3081)])
    theirs = field(LEVELS.numpy()[..., None])[0]
    assert torch.equal(replace(DIGITS, mean_std=(0.1307, 0.3081)).scale(LEVELS), theirs)


def test_mean_and_standard_deviation_are_those_of_the_training_pixels() -> None:
    pixels = DIGITS.train_x.numpy() / 255
    expected = (round(pixels.mean(), 4), round(pixels.std(), 4))
    assert STANDARDISED.mean_std == pytest.approx(expected)
    seen = STANDARDISED.scale(STANDARDISED.train_x).double()
    assert seen.mean().item() == pytest.approx(0, abs=1e-3)
    assert seen.std(correction=0).item() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    "build", [MNIST, FashionMNIST, partial(EMNIST, split="letters", classes=3)]
)
def test_another_way_is_refused(build: Callable[..., object]) -> None:
    with pytest.raises(UserError, match=r"data\.normalise=none: one of unit, mean_std"):
        build(root=None, download=False, normalise="none")


@pytest.mark.mnist
def test_those_of_mnist_are_the_fields() -> None:
    assert MNIST(root=None, download=True, normalise="mean_std").load().mean_std == (0.1307, 0.3081)


def test_a_copy_on_a_device_is_scaled_as_the_original() -> None:
    moved = STANDARDISED.to(torch.device("cpu"))
    assert torch.equal(moved.scale(LEVELS), STANDARDISED.scale(LEVELS))


@pytest.mark.parametrize("data", [DIGITS, STANDARDISED], ids=["unit", "mean_std"])
def test_pixels_that_are_scaled_are_refused(data: Labelled) -> None:
    with pytest.raises(TypeError, match="float32"):
        data.scale(data.scale(torch.zeros(784, dtype=torch.uint8)))
