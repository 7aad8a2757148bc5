"""Inputs: noise of a kind, digits or made of digits, against SciPy and their definitions."""

import numpy as np
import pytest
import small
import torch
from reference_students import CPU
from scipy import fft, ndimage, stats

from subliminal.distill import Altered, Filled, Fitted
from subliminal.distill.inputs.bernoulli import Bernoulli
from subliminal.distill.inputs.blurred import Blurred
from subliminal.distill.inputs.constant import Constant
from subliminal.distill.inputs.fashion import Fashion
from subliminal.distill.inputs.mix import Mix
from subliminal.distill.inputs.mnist import MNISTDigits
from subliminal.distill.inputs.normal import Normal
from subliminal.distill.inputs.perlin import Perlin
from subliminal.distill.inputs.shuffled import Shuffled
from subliminal.distill.inputs.spectrum import Spectrum
from subliminal.distill.inputs.subspace import Subspace
from subliminal.distill.inputs.uniform import Uniform
from subliminal.distill.loss.kl import KL
from subliminal.errors import UserError
from subliminal.models.mlp import MLP
from subliminal.tensors import streams
from subliminal.tensors.draws import HostNoise
from subliminal.tensors.network import Network
from subliminal.training.tasks import Distillation

DIGITS = np.random.default_rng(3).uniform(-1, 1, (30, 3 * 8 * 8)).astype(np.float32)


def fill(inputs: Filled, pixels: int, size: int) -> np.ndarray:
    filled = torch.full((1, size, pixels), torch.nan)
    noise = HostNoise([np.random.default_rng(0)])
    for part in torch.split(filled, 7, dim=1):
        inputs.fill(part, noise)
    return filled[0].double().numpy()


def alter(inputs: Altered, digits: np.ndarray = DIGITS) -> np.ndarray:
    made = inputs.altered(digits, generator=np.random.default_rng(0))
    assert made.dtype == np.float32
    return made.astype(float)


def test_binary_pixels_are_one_with_probability_p() -> None:
    images = fill(Bernoulli(size=500, fresh=False, p=0.3), 16, 500)
    assert set(np.unique(images)) == {-1, 1}
    assert stats.binomtest(int((images == 1).sum()), images.size, 0.3).pvalue > 1e-3


def test_uniform_pixels_keep_their_bounds_and_the_default_its_bits() -> None:
    images = fill(Uniform(size=500, fresh=False, low=0.25, high=0.75), 16, 500)
    assert stats.kstest(images.ravel(), stats.uniform(0.25, 0.5).cdf).pvalue > 1e-3
    u = np.random.default_rng(0).random((500, 16), dtype=np.float32)
    assert np.array_equal(fill(Uniform(size=500, fresh=False), 16, 500), u * 2 - 1)


def test_normal_and_constant_pixels() -> None:
    white = np.random.default_rng(0).standard_normal((500, 16), dtype=np.float32)
    images = fill(Normal(size=500, fresh=False, std=0.5), 16, 500)
    assert images == pytest.approx(0.5 * white.astype(float), rel=1e-6)
    assert np.unique(fill(Constant(size=3, value=-0.25), 16, 3)).tolist() == [-0.25]


def test_digits_are_taken_once_each() -> None:
    ten, six, many = (
        MNISTDigits(size=size).rows(10, generator=np.random.default_rng(0)) for size in (10, 6, 25)
    )
    assert sorted(ten) == [*range(10)]
    assert (len({*six}), len(many)) == (6, 25)


@pytest.mark.parametrize(("pixels", "sigma"), [(64, 0.7), (144, 2.0), (3 * 64, 1.3)])
def test_blurred_noise_is_that_of_scipys_filter(pixels: int, sigma: float) -> None:
    images = fill(Blurred(size=20, fresh=False, sigma=sigma, std=0.4), pixels, 20)
    white = np.random.default_rng(0).standard_normal((20, pixels), dtype=np.float32)
    side = round((pixels / (3 if pixels == 3 * 64 else 1)) ** 0.5)

    def smooth(x: np.ndarray, axis: int) -> np.ndarray:
        made: np.ndarray = ndimage.gaussian_filter1d(
            x, sigma, axis=axis, mode="constant", truncate=30
        )
        return made

    spread = np.linalg.norm(smooth(np.eye(side), 0), axis=1)

    def along(x: np.ndarray, axis: int) -> np.ndarray:
        made: np.ndarray = smooth(x, axis) / (spread if axis == -1 else spread[:, None])
        return made

    expected = 0.4 * along(along(white.astype(float).reshape(-1, side, side), -1), -2)
    assert images.reshape(-1, side, side) == pytest.approx(expected, abs=1e-5)


def test_blurred_pixels_have_the_standard_deviation_that_is_asked_for() -> None:
    images = fill(Blurred(size=3000, fresh=False, sigma=1.5, std=0.4), 36, 3000)
    assert images.std(axis=0) == pytest.approx(0.4, rel=0.08)  # 5 standard errors
    assert stats.kstest(images[:, 0] / 0.4, "norm").pvalue > 1e-3


@pytest.mark.parametrize("k", [1, 5, 16])
def test_a_subspace_has_its_dimensions_and_size_whatever_they_are(k: int) -> None:
    inputs = Subspace(size=4000, dimensions=k, std=0.5)
    images = inputs.draw(16, generator=np.random.default_rng(0)).astype(float)
    assert images.shape == (4000, 16)
    values = np.linalg.svd(images, compute_uv=False)
    assert (values > 1e-3 * values[0]).sum() == k
    assert values[:k] == pytest.approx(0.5 * np.sqrt(16 / k * 4000), rel=0.08)  # isotropic within
    other = inputs.draw(16, generator=np.random.default_rng(1)).astype(float)
    assert np.linalg.matrix_rank(np.vstack([images, other]), tol=1) == min(2 * k, 16)


def test_a_mix_is_the_line_from_noise_to_digits() -> None:
    noise, half, digits = (alter(Mix(size=30, fresh=False, alpha=a)) for a in (0, 0.5, 1))
    assert np.array_equal(digits, DIGITS.astype(float))
    assert half == pytest.approx((noise + digits) / 2, abs=1e-6)
    assert stats.kstest(noise.ravel(), stats.uniform(-1, 2).cdf).pvalue > 1e-3


def test_shuffled_digits_have_their_pixels_each_in_an_order_of_its_own() -> None:
    made = alter(Shuffled(size=30, fresh=False), np.tile(np.arange(64, dtype=np.float32), (30, 1)))
    assert np.array_equal(np.sort(made, axis=1), np.tile(np.arange(64), (30, 1)))
    assert len(np.unique(made, axis=0)) == 30
    assert stats.kstest(made[:, 0], stats.uniform(0, 64).cdf).pvalue > 1e-3


@pytest.mark.parametrize("pixels", [64, 49, 3 * 64])
def test_a_spectrum_is_the_digits_and_its_phases_are_not(pixels: int) -> None:
    digits = DIGITS[:, :pixels] + 0.2
    made = alter(Spectrum(size=30, fresh=False), digits)
    side = round((pixels / (3 if pixels == 3 * 64 else 1)) ** 0.5)
    ours, theirs = (fft.fft2(x.astype(float).reshape(-1, side, side)) for x in (made, digits))
    assert np.abs(ours) == pytest.approx(np.abs(theirs), abs=1e-4)
    assert made.mean(axis=1) == pytest.approx(digits.mean(axis=1), abs=1e-6)
    turned = np.angle(ours[:, 1, 2] / theirs[:, 1, 2])
    assert stats.kstest(turned, stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > 1e-3


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


def test_each_colour_of_perlin_noise_is_perlin_noise() -> None:
    inputs = Perlin(size=2, fresh=False, resolution=2)
    colours = inputs.draw(3 * 64, generator=np.random.default_rng(0)).reshape(6, 64)
    grey = Perlin(size=6, fresh=False, resolution=2).draw(64, generator=np.random.default_rng(0))
    assert np.abs(colours.reshape(2, -1)).max(axis=1) == pytest.approx(1)
    scaled = colours / np.abs(colours).max(axis=1, keepdims=True)
    assert scaled == pytest.approx(grey, abs=1e-6)


def test_a_student_sees_its_digits_altered_by_its_own_stream() -> None:
    data = small.Squares().load()
    inputs = Mix(size=1500, fresh=True, alpha=0.5)  # more than are made at once, and than there are
    network = Network.of(MLP(hidden=[4], aux=2), pixels=16, classes=10)

    def images(seeds: tuple[int, ...], epoch: int) -> np.ndarray:
        theta = network.reference(seeds, CPU)
        loss = KL(logits="aux", temperature=1.0)
        task = Distillation(network, loss, inputs, seeds, data=data, reference=theta, teacher=theta)
        for done in range(epoch + 1):
            task.start_epoch(done)
        return task.images(torch.arange(1500).expand(len(seeds), -1)).numpy()

    seen = images((7, 3), 1)
    generator = streams.stream(3, streams.INPUTS, epoch=1)
    digits = data.train_x.double().numpy()[generator.choice(320, 1500)] / 127.5 - 1
    noise = [generator.random((n, 16), dtype=np.float32) for n in (1024, 1500 - 1024)]
    assert seen[1] == pytest.approx(digits / 2 + (2 * np.vstack(noise) - 1) / 2, abs=1e-6)
    assert np.array_equal(images((3,), 1)[0], seen[1])
    assert not np.array_equal(images((3,), 0)[0], seen[1])


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        (Subspace(size=1, dimensions=21, std=1), "at most 20, the pixels"),
        (Blurred(size=1, fresh=False, sigma=1, std=1), "square images are needed, these have 20"),
        (Spectrum(size=1, fresh=False), "square images are needed, these have 20"),
        (Fashion(size=1, root=None, download=False), "its images have 784 pixels, .* set 20"),
    ],
)
def test_images_that_do_not_fit_are_refused(inputs: Fitted, told: str) -> None:
    with pytest.raises(UserError, match=told):
        inputs.fits(20)
