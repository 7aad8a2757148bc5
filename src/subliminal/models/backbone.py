"""A torch.nn.Module that computes with each seed's weights, from the stack.

`subliminal.models.trial` makes and validates it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from subliminal.tensors.draws import Draws

Params = Mapping[str, Tensor]
Outputs = tuple[Tensor, ...]


@dataclass(frozen=True)
class Backbone:
    """A module that can be stacked.

    Attributes:
        module: computes the outputs; its own weights are never used.
        blocks: the shape of each named block's output, for one image.
        image: (channels, height, width) of an input.
        width: of an output.
        drops: each dropout layer's rate, and the shape of its input for one image.
    """

    module: nn.Module
    blocks: Mapping[str, tuple[int, ...]]
    image: tuple[int, int, int]
    width: int
    drops: Mapping[str, tuple[float, tuple[int, ...]]] = field(default_factory=dict)

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Its parameters, in its own order."""
        return {name: tuple(value.shape) for name, value in self.module.named_parameters()}

    @cached_property
    def _buffers(self) -> dict[torch.device, dict[str, Tensor]]:
        return {}

    def outputs(self, params: Params, images: Tensor) -> Tensor:
        """Map images (seeds, batch, pixels) to (seeds, batch, width)."""
        return self._stacked(lambda p, x: (self.call(p, x),), params, images)[0]

    def activations(self, params: Params, images: Tensor) -> dict[str, Tensor]:
        """Return each block's output, flattened, and then the module's: (seeds, batch, n)."""

        def one(p: Params, x: Tensor) -> Outputs:
            found: dict[str, Tensor] = {}

            def keep(block: str, output: Tensor) -> None:
                found[block] = output

            with hooked(self.module, self.blocks, keep):
                last = self.call(p, x)
            return (*(flat(found[name]) for name in self.blocks), last)

        return dict(zip((*self.blocks, ""), self._stacked(one, params, images), strict=True))

    def onward(self, params: Params, block: str, h: Tensor) -> Tensor:
        """Map a block's flattened output (seeds, batch, n) to the module's (seeds, batch, width).

        The module runs on black images up to the block, whose output is then replaced.
        """
        shape = self.blocks[block]

        def one(p: Params, h: Tensor) -> Outputs:
            black = h.new_zeros(len(h), prod(self.image))
            with hooked(self.module, [block], lambda *_: _unflat(h, shape)):
                return (self.call(p, black),)

        return self._stacked(one, params, h)[0]

    def factors(self, images: Tensor, draws: Draws, stream: str, *, step: int) -> dict[str, Tensor]:
        """Draw the factors of dropout in a step on images (seeds, batch, pixels).

        They are each layer's buffer: (seeds, batch, …), 0 or 1 / (1 − p).
        """
        sizes = [prod(shape) for _, shape in self.drops.values()]
        noise = images.new_empty(*images.shape[:2], sum(sizes))
        parts = torch.split(draws.noise(stream, epoch=step).uniform_(noise), sizes, dim=2)
        return {
            f"{name}.factor": ((part >= p) / (1 - p)).view(*part.shape[:2], *shape)
            for part, (name, (p, shape)) in zip(parts, self.drops.items(), strict=True)
        }

    def call(self, params: Params, x: Tensor) -> Tensor:
        """Compute with one seed's weights: (batch, pixels) to (batch, width)."""
        channels, height, width = self.image
        images = x.view(len(x), -1, height, width).expand(-1, channels, -1, -1)
        output: Tensor = functional_call(self.module, {**self._on(x.device), **params}, (images,))
        return output

    def _on(self, device: torch.device) -> dict[str, Tensor]:
        if device not in self._buffers:
            self._buffers[device] = {n: b.to(device) for n, b in self.module.named_buffers()}
        return self._buffers[device]

    def _stacked(
        self, one: Callable[[Params, Tensor], Outputs], stack: Params, x: Tensor
    ) -> Outputs:
        """Apply `one` to each seed's parameters and its part of x (seeds, …)."""
        ours = {*self.shapes, *(f"{name}.factor" for name in self.drops)}
        params = {name: value for name, value in stack.items() if name in ours}
        if x.device.type != "cpu":
            found: Outputs = vmap(one)(params, x)
            return found
        # Seed by seed, so that a seed's bits depend on no other's. `vmap` in chunks of one seed
        # took a fifth longer: torch lacks some of its fastest kernels there.
        each = [
            one({name: value[s] for name, value in params.items()}, x[s]) for s in range(len(x))
        ]
        return tuple(torch.stack(parts) for parts in zip(*each, strict=True))


@contextmanager
def hooked(
    module: nn.Module, blocks: Sequence[str] | Mapping[str, Any], act: Callable[[str, Tensor], Any]
) -> Iterator[None]:
    """Call `act` with each block's name and output; a result that is not None replaces it."""

    def hook(name: str) -> Callable[..., Any]:
        return lambda _module, _inputs, output: act(name, output)

    handles = [module.get_submodule(name).register_forward_hook(hook(name)) for name in blocks]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def flat(output: Tensor) -> Tensor:
    """Flatten (batch, channels, …), or tokens (batch, tokens, channels): channels come first."""
    return (output.mT if output.dim() == 3 else output).flatten(1)


def _unflat(h: Tensor, shape: tuple[int, ...]) -> Tensor:
    if len(shape) == 2:
        return h.reshape(len(h), *reversed(shape)).mT
    return h.reshape(len(h), *shape)
