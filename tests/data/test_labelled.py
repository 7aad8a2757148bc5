"""How pixels are scaled: to [-1, 1], or by mean and standard deviation."""

from dataclasses import replace

import pytest
import small
import torch

from subliminal.data import Labelled
from subliminal.data.mnist import MNIST
from subliminal.errors import UserError

DIGITS = small.Digits().load()
STANDARDISED = DIGITS.normalised("mean_std")
CLASSES = [3, 8, 0]
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
    from torchvision import transforms  # which takes two seconds

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


def test_classes_are_taken_in_the_order_that_is_asked_for() -> None:
    taken = DIGITS.of_classes(CLASSES)
    for x, y, ours, label in (
        (DIGITS.train_x, DIGITS.train_y, taken.train_x, taken.train_y),
        (DIGITS.test_x, DIGITS.test_y, taken.test_x, taken.test_y),
    ):
        rows = [n for n, digit in enumerate(y.tolist()) if digit in CLASSES]
        assert torch.equal(ours, x[rows])
        assert label.tolist() == [CLASSES.index(int(y[n])) for n in rows]
    assert DIGITS.of_classes(10) is DIGITS
    assert torch.equal(DIGITS.of_classes(4).train_y, DIGITS.train_y[DIGITS.train_y < 4])


def test_the_last_training_images_are_held_out_and_measured_on() -> None:
    split = STANDARDISED.held_out(20)
    assert torch.equal(split.train_x, DIGITS.train_x[:300])
    assert torch.equal(split.train_y, DIGITS.train_y[:300])
    assert torch.equal(split.test_x, DIGITS.test_x)
    measured = split.to(torch.device("cpu")).measured_on("validation")
    assert torch.equal(measured.test_x, DIGITS.train_x[300:])
    assert torch.equal(measured.test_y, DIGITS.train_y[300:])
    assert measured.mean_std == STANDARDISED.mean_std
    assert split.measured_on("test") is split
    assert DIGITS.held_out(0) is DIGITS


@pytest.mark.parametrize(
    "classes", [1, 11, 2.0, "3", True, [], [4], [4, 4], [4, 10], [-1, 2], None]
)
def test_classes_that_there_are_not_are_refused(classes: object) -> None:
    with pytest.raises(
        UserError, match=r"data\.classes=.*: between 2 and 10, the classes of MNIST"
    ):
        MNIST(root=None, download=False, classes=classes)


@pytest.mark.parametrize("validation", [-1, 12_089])
def test_more_than_there_are_cannot_be_held_out(validation: int) -> None:
    with pytest.raises(UserError, match=rf"data\.validation={validation}: from 0 to 12088"):
        MNIST(root=None, download=False, classes=[3, 2], validation=validation)


@pytest.mark.mnist
def test_mnist_has_as_many_of_each_class_as_is_said() -> None:
    mnist = MNIST(root=None, download=True, classes=[7, 1], validation=100)
    labelled = mnist.load()
    assert len(labelled.train_y) == mnist.train_size == 6265 + 6742 - 100
    counted = torch.bincount(MNIST(root=None, download=True).load().train_y).tolist()
    assert counted == list(mnist.counts)
    assert sum(counted) == MNIST(root=None, download=True).train_size
