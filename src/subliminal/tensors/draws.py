"""A stack's random numbers as its training draws them, at each epoch or step.

`Draws` are numbers of each seed's stream `name` at `epoch` (or step), one row per seed, on the
device: permutations of `range(size)` (`order`) and draws of `range(below)` with replacement
(`integers`), int64; N(0, 1), float32 (`normal`). A seed's row depends on its seed, the name and the
epoch alone, never on the stack. `Noise` is a stream that is taken in order, some images at a time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from subliminal.tensors import philox
from subliminal.tensors.streams import digest, stream

AT_ONCE = 2**22  # blocks of bits that a device makes images of: some 1.2 GB while it does


@dataclass(frozen=True)
class OnHost:
    """NumPy's generators, `subliminal.tensors.streams`, copied to the device."""

    seeds: Sequence[int]
    device: torch.device

    def order(self, name: str, size: int, *, epoch: int) -> Tensor:
        """Return a permutation of each seed: (seeds, size)."""
        return self._rows(name, epoch, lambda generator: generator.permutation(size))

    def integers(self, name: str, below: int, number: int, *, epoch: int) -> Tensor:
        """Draw integers: (seeds, number)."""
        return self._rows(name, epoch, lambda generator: generator.integers(below, size=number))

    def normal(self, name: str, number: int, *, epoch: int) -> Tensor:
        """Draw normal numbers: (seeds, number)."""
        return self._rows(name, epoch, lambda g: g.standard_normal(number, dtype=np.float32))

    def noise(self, name: str, *, epoch: int) -> "HostNoise":
        """Return the stream as a source of images."""
        return HostNoise([stream(seed, name, epoch=epoch) for seed in self.seeds])

    def _rows(
        self, name: str, epoch: int, draw: Callable[[np.random.Generator], np.ndarray]
    ) -> Tensor:
        rows = [draw(stream(seed, name, epoch=epoch)) for seed in self.seeds]
        return torch.from_numpy(np.stack(rows)).to(self.device)


@dataclass(frozen=True)
class HostNoise:
    """Each seed's images from its generator, one after another."""

    generators: Sequence[np.random.Generator]

    def uniform_(self, out: Tensor) -> Tensor:
        """Fill the next images (seeds, images, pixels), float32, with U[0, 1)."""
        return self._fill(out, lambda g, rows: g.random(out=rows, dtype=np.float32))

    def normal_(self, out: Tensor) -> Tensor:
        """Fill them with N(0, 1)."""
        return self._fill(out, lambda g, rows: g.standard_normal(out=rows, dtype=np.float32))

    def _fill(
        self, out: Tensor, draw: Callable[[np.random.Generator, np.ndarray], object]
    ) -> Tensor:
        host = out if out.device.type == "cpu" else torch.empty(out.shape)
        for generator, rows in zip(self.generators, host, strict=True):
            draw(generator, rows.numpy())
        return out if host is out else out.copy_(host)


@dataclass(frozen=True)
class OnDevice:
    """A counter-based generator (`subliminal.tensors.philox`) that the device itself computes.

    The key is the seed's; the counter holds the stream's name and the epoch, so that nothing is
    copied to the device once it has the keys.
    """

    seeds: Sequence[int]
    device: torch.device

    @cached_property
    def keys(self) -> Tensor:
        """The seeds' keys: (seeds, 2), int64."""
        states = [np.random.SeedSequence(s).generate_state(2, np.uint64) for s in self.seeds]
        return torch.from_numpy(np.stack(states).view(np.int64)).to(self.device)

    def order(self, name: str, size: int, *, epoch: int) -> Tensor:
        """Return permutations: what sorts 64 random bits for each place."""
        return self._bits(name, size, epoch).argsort(dim=1, stable=True)

    def integers(self, name: str, below: int, number: int, *, epoch: int) -> Tensor:
        """Draw integers: the rest of 63 random bits, uniform but for below / 2⁶³."""
        return (self._bits(name, number, epoch) & (2**63 - 1)) % below

    def normal(self, name: str, number: int, *, epoch: int) -> Tensor:
        """Draw normal numbers: (seeds, number)."""
        blocks = self._blocks(-(-number // philox.PER_BLOCK))
        drawn = philox.normal(self.keys, blocks, upper(name, epoch))
        return drawn.flatten(1)[:, :number].contiguous()

    def noise(self, name: str, *, epoch: int) -> "DeviceNoise":
        """Return the stream as a source of images."""
        return DeviceNoise(self.keys, upper(name, epoch))

    def _bits(self, name: str, number: int, epoch: int) -> Tensor:
        """Return 64 random bits each: (seeds, number)."""
        bits = philox.blocks(self.keys, self._blocks(-(-number // 4)), upper(name, epoch))
        return bits.flatten(1)[:, :number]

    def _blocks(self, number: int) -> Tensor:
        return torch.arange(1, number + 1, device=self.device)[None]


@dataclass
class DeviceNoise:
    """Each image starts with a block of its own, so that it depends on its number alone."""

    keys: Tensor
    upper: philox.Upper
    images: int = 0  # drawn so far

    def uniform_(self, out: Tensor) -> Tensor:
        """Fill the next images (seeds, images, pixels), float32, with U[0, 1)."""
        return self._fill(out, philox.uniform)

    def normal_(self, out: Tensor) -> Tensor:
        """Fill them with N(0, 1)."""
        return self._fill(out, philox.normal)

    def _fill(self, out: Tensor, draw: Callable[[Tensor, Tensor, philox.Upper], Tensor]) -> Tensor:
        seeds, _, pixels = out.shape
        each = -(-pixels // philox.PER_BLOCK)
        for part in torch.split(out, max(1, AT_ONCE // (seeds * each)), dim=1):
            images = part.shape[1]
            first = 1 + self.images * each
            numbers = torch.arange(first, first + images * each, device=out.device)
            self.images += images
            drawn = draw(self.keys, numbers.view(1, images, each), self.upper)
            part.copy_(drawn.flatten(2)[..., :pixels])
        return out


def upper(name: str, epoch: int) -> philox.Upper:
    """Return the upper words of the counter of a stream at an epoch."""
    return int.from_bytes(digest(name)[:8], "little"), epoch


Noise = HostNoise | DeviceNoise
Draws = OnHost | OnDevice


def of(seeds: Sequence[int], device: torch.device) -> Draws:
    """Return what draws for a stack on a device: a GPU draws for itself, so no step waits."""
    return OnDevice(seeds, device) if device.type == "cuda" else OnHost(seeds, device)
