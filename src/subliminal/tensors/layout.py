"""Flat parameters: one row per seed, every named tensor a view into it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import torch
from torch import Tensor

from subliminal.errors import UserError, there_is

# Each tensor starts on a 64-byte boundary. Vectorised CPU kernels round differently in their
# unaligned head and tail, so without this a seed's bits would depend on its place in the stack.
ALIGN = 16


@dataclass(frozen=True)
class Layout:
    """Where each named parameter lies in a flat row of `size` float32 values (zero padded).

    Attributes:
        shapes: name to shape, without the seed dimension, in the order of the forward pass.
    """

    shapes: Mapping[str, tuple[int, ...]]

    @cached_property
    def spans(self) -> dict[str, slice]:
        """Name to its slice of a flat row, padding excluded."""
        spans, start = {}, 0
        for name, shape in self.shapes.items():
            spans[name] = slice(start, start + prod(shape))
            start += -(-prod(shape) // ALIGN) * ALIGN
        return spans

    @cached_property
    def size(self) -> int:
        """Length P of a flat row, padding included."""
        return sum(-(-prod(shape) // ALIGN) * ALIGN for shape in self.shapes.values())

    @cached_property
    def gaps(self) -> list[tuple[int, int]]:
        """The padding: where a flat row belongs to no parameter."""
        stops = [span.stop for span in self.spans.values()]
        starts = [span.start for span in self.spans.values()][1:]
        return [(a, b) for a, b in zip(stops, [*starts, self.size], strict=True) if a < b]

    @cached_property
    def parameters(self) -> int:
        """Number of parameters, padding excluded."""
        return sum(prod(shape) for shape in self.shapes.values())

    def named(self, layers: Sequence[str], where: str) -> set[str]:
        """Return the names of the parameters of `layers`.

        A layer is named by its parameters' prefix: `layer1`, or `layer1.weight`.

        Raises:
            UserError: a name that no parameter has; `where` is the config key to blame.
        """
        names: set[str] = set()
        for layer in layers:
            found = {name for name in self.shapes if f"{name}.".startswith(f"{layer}.")}
            if not found:
                raise UserError(f"{where}: no {layer!r}; {there_is(layer, self.shapes)}")
            names |= found
        return names

    def mask(self, layers: Sequence[str], where: str, device: torch.device | None = None) -> Tensor:
        """Return a row (P,) of ones on the parameters of `layers` and zeros elsewhere.

        Raises:
            UserError: as `named` does.
        """
        mask = torch.zeros(self.size, device=device)
        for name in self.named(layers, where):
            mask[self.spans[name]] = 1
        return mask

    def views(self, flat: Tensor) -> dict[str, Tensor]:
        """Split (seeds, P) into named views (seeds, *shape) on the same memory."""
        seeds = flat.shape[0]
        return {
            name: flat[:, self.spans[name]].view(seeds, *shape)
            for name, shape in self.shapes.items()
        }

    def stack(self, rows: Iterable[Mapping[str, Tensor]], seeds: int) -> Tensor:
        """Copy each seed's named tensors (*shape), one seed after another, into (seeds, P)."""
        flat = torch.zeros(seeds, self.size)
        views = self.views(flat)
        for row, tensors in enumerate(rows):
            for name, values in tensors.items():
                views[name][row] = values
        return flat

    def flatten(self, tensors: Sequence[Tensor | None], like: Tensor) -> Tensor:
        """Join tensors (seeds, *shape), in layout order, into (seeds, P); `None` counts as zero."""
        flat = torch.empty_like(like)
        for start, stop in self.gaps:
            flat[:, start:stop] = 0
        for tensor, view in zip(tensors, self.views(flat).values(), strict=True):
            if tensor is None:
                view.zero_()
            else:
                view.copy_(tensor)
        return flat
