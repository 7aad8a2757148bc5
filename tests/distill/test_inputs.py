"""Distillation inputs: their distributions, and that a seed's images are its own."""

import numpy as np
import pytest
import torch
from scipy import stats

from subliminal.distill import Filled, Inputs, OfDigits
from subliminal.distill.inputs.constant import Constant
from subliminal.distill.inputs.mnist import MNISTDigits
from subliminal.distill.inputs.normal import Normal
from subliminal.distill.inputs.perlin import Perlin
from subliminal.distill.inputs.uniform import Uniform
from subliminal.tensors.draws import HostNoise

DIGITS = torch.arange(40, dtype=torch.uint8).reshape(10, 4)


def draw(inputs: Inputs, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    if isinstance(inputs, Filled):
        filled = torch.full((1, inputs.size, 4), torch.nan)
        for part in torch.split(filled, 7, dim=1):
            inputs.fill(part, HostNoise([generator]))
        return filled[0].numpy()
    assert isinstance(inputs, OfDigits)
    return DIGITS[torch.from_numpy(inputs.rows(len(DIGITS), generator=generator))].numpy()


def test_uniform_images_are_uniform() -> None:
    images = draw(Uniform(size=2000, fresh=False))
    assert images.min() >= -1
    assert images.max() < 1
    assert stats.kstest(images.ravel(), stats.uniform(-1, 2).cdf).pvalue > 1e-3


def test_normal_images_are_normal() -> None:
    images = draw(Normal(size=2000, fresh=False, std=0.5))
    assert stats.kstest(images.ravel() / 0.5, "norm").pvalue > 1e-3


def test_digits_are_taken_once_each() -> None:
    images = draw(MNISTDigits(size=10))
    assert sorted(map(tuple, images)) == sorted(map(tuple, DIGITS.numpy()))
    assert len(np.unique(draw(MNISTDigits(size=6)), axis=0)) == 6
    assert len(draw(MNISTDigits(size=25))) == 25


def test_a_constant_image_is_one_value() -> None:
    assert np.unique(draw(Constant(size=3, value=-0.25))).tolist() == [-0.25]


def perlin_by_its_definition(gradients: np.ndarray, pixels: int, resolution: int) -> np.ndarray:
    """One image, pixel by pixel, from gradients (corner y, corner x, 2)."""
    side = round(pixels**0.5)
    image = np.zeros((side, side))
    for row in range(side):
        for column in range(side):
            y, x = (row + 0.5) * resolution / side, (column + 0.5) * resolution / side
            y0, x0 = int(y), int(x)

            def corner(cy: int, cx: int, x: float = x, y: float = y) -> float:
                return float(gradients[cy, cx] @ np.array([x - cx, y - cy]))

            def mix(a: float, b: float, t: float) -> float:
                return a + (b - a) * (6 * t**5 - 15 * t**4 + 10 * t**3)

            top = mix(corner(y0, x0), corner(y0, x0 + 1), x - x0)
            bottom = mix(corner(y0 + 1, x0), corner(y0 + 1, x0 + 1), x - x0)
            image[row, column] = mix(top, bottom, y - y0)
    scaled: np.ndarray = image / np.abs(image).max()
    return scaled


@pytest.mark.parametrize(("pixels", "resolution"), [(784, 8), (100, 1), (81, 12)])
def test_perlin_noise_is_perlins(pixels: int, resolution: int) -> None:
    perlin = Perlin(size=3, fresh=False, resolution=resolution)
    images = perlin.draw(pixels, generator=np.random.default_rng(0))
    corners = (resolution + 1) ** 2
    angles = np.random.default_rng(0).random((3, corners), dtype=np.float32) * 2 * np.pi
    for image, angle in zip(images, angles.astype(float), strict=True):
        gradients = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        grid = gradients.reshape(resolution + 1, resolution + 1, 2)
        expected = perlin_by_its_definition(grid, pixels, resolution)
        assert image == pytest.approx(expected.ravel(), abs=1e-4)
        assert np.abs(image).max() == pytest.approx(1, abs=1e-6)


def test_perlin_images_that_are_not_square_are_cut_from_a_square() -> None:
    perlin = Perlin(size=3, fresh=False, resolution=2)
    assert perlin.draw(20, generator=np.random.default_rng(0)).shape == (3, 20)


@pytest.mark.parametrize(
    "inputs",
    [Uniform(size=5, fresh=True), Normal(size=5, fresh=True, std=1.0), MNISTDigits(size=5)],
)
def test_images_depend_on_the_generator_alone(inputs: Inputs) -> None:
    assert np.array_equal(draw(inputs, 1), draw(inputs, 1))
    assert not np.array_equal(draw(inputs, 1), draw(inputs, 2))
