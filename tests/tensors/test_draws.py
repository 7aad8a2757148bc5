"""What a training draws: each seed its own, on the host as on a device."""

import numpy as np
import pytest
import torch
from scipy import stats

from subliminal.tensors import draws
from subliminal.tensors.streams import stream

CPU = torch.device("cpu")
Kind = type[draws.OnHost | draws.OnDevice]
both = pytest.mark.parametrize("kind", [draws.OnHost, draws.OnDevice])


@both
def test_orders_are_permutations_that_do_not_depend_on_the_stack(kind: Kind) -> None:
    stack = kind((4, 9), CPU).order("x", 50, epoch=1)
    assert torch.equal(stack.sort(dim=1).values, torch.arange(50).expand(2, -1))
    assert torch.equal(stack[1], kind((9,), CPU).order("x", 50, epoch=1)[0])
    assert not torch.equal(stack[0], stack[1])
    assert not torch.equal(stack[1], kind((9,), CPU).order("x", 50, epoch=2)[0])
    assert not torch.equal(stack[1], kind((9,), CPU).order("y", 50, epoch=1)[0])


@both
def test_every_place_of_an_order_is_as_likely(kind: Kind) -> None:
    drawn = kind(range(100), CPU)
    found = torch.cat([drawn.order("x", 5, epoch=epoch) for epoch in range(20)])
    for place in range(5):
        counts = torch.bincount(found[:, place], minlength=5)
        assert (counts - 400).abs().max() < 5 * 400**0.5


@both
def test_integers_are_uniform_with_replacement(kind: Kind) -> None:
    drawn = kind((0,), CPU).integers("x", 10, 20_000, epoch=0)
    counts = torch.bincount(drawn[0], minlength=10)
    assert drawn.shape == (1, 20_000)
    assert drawn.dtype == torch.int64
    assert (counts - 2000).abs().max() < 5 * 2000**0.5


@both
def test_normal_numbers_are_normal_and_each_seeds_own(kind: Kind) -> None:
    stack = kind((4, 9), CPU).normal("x", 5003, epoch=3)
    assert stack.shape == (2, 5003)
    assert stack.is_contiguous()
    assert torch.equal(stack[1], kind((9,), CPU).normal("x", 5003, epoch=3)[0])
    for row in stack.numpy():
        assert stats.kstest(row, "norm").pvalue > 1e-3
    assert torch.corrcoef(stack)[0, 1].abs() < 5 / 5003**0.5


@both
@pytest.mark.parametrize("pixels", [4, 16, 20])
def test_noise_does_not_depend_on_how_many_images_are_made_at_once(
    kind: Kind, pixels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for step, at_once in ((30, draws.AT_ONCE), (7, 9)):
        monkeypatch.setattr(draws, "AT_ONCE", at_once)
        for fill in ("uniform_", "normal_"):
            noise = kind((4, 9), CPU).noise("x", epoch=1)
            images = torch.full((2, 30, pixels), torch.nan)
            for part in torch.split(images, step, dim=1):
                getattr(noise, fill)(part)
            found.append(images)
    uniform, normal, *again = found
    assert torch.equal(uniform, again[0])
    assert torch.equal(normal, again[1])
    assert uniform.min() >= 0
    assert uniform.max() < 1
    assert stats.kstest(uniform.ravel(), "uniform").pvalue > 1e-3
    assert stats.kstest(normal.ravel(), "norm").pvalue > 1e-3
    assert not torch.equal(uniform[0], uniform[1])


def test_the_hosts_numbers_are_the_streams() -> None:
    host = draws.OnHost((3,), CPU)
    expected = stream(3, "x", epoch=5)
    assert np.array_equal(host.order("x", 40, epoch=5)[0], expected.permutation(40))
    whole = stream(3, "x", epoch=5).random((30, 20), dtype=np.float32)
    noise, images = host.noise("x", epoch=5), torch.empty(1, 30, 20)
    for part in torch.split(images, 8, dim=1):
        noise.uniform_(part)
    assert np.array_equal(images[0], whole)


def test_a_devices_noise_is_numpys_where_images_fill_their_blocks() -> None:
    device = draws.OnDevice((3,), CPU)
    images = device.noise("x", epoch=5).uniform_(torch.empty(1, 30, 16))
    key = device.keys[0].numpy().view(np.uint64)
    counter = np.array([0, 0, *draws.upper("x", 5)], dtype=np.uint64)
    generator = np.random.Generator(np.random.Philox(key=key, counter=counter))
    assert np.array_equal(images[0], generator.random((30, 16), dtype=np.float32))


def test_a_gpu_draws_for_itself_and_nothing_else_does() -> None:
    assert isinstance(draws.of((0,), torch.device("cuda")), draws.OnDevice)
    for name in ("cpu", "mps"):
        assert isinstance(draws.of((0,), torch.device(name)), draws.OnHost)
