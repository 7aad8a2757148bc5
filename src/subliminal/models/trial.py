"""Make a torch.nn.Module, and validate on a few images that a stack of seeds can hold it.

A module that does not fit is refused in one line, before anything is trained.
"""

import json
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from inspect import isfunction
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import vmap
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from subliminal.config.build import named, plugins
from subliminal.errors import UserError
from subliminal.models.backbone import Backbone, Params, flat, hooked
from subliminal.models.dropout import Dropout

# Their classes are built of plain values and do nothing else; their functions may fetch weights.
CLASSES_OF = ("torch.nn", "torchvision.models")
IMAGES = 3
CLOSE = 1e-3  # of the largest output: far above rounding, far below what a wrong value does

_STATE = "a stack of seeds holds weights alone; use torch.nn.GroupNorm for batch norms"
_DROPOUT = "set its dropout to 0, or use subliminal.models.dropout.Dropout"


def made(target: str, args: str, bits: int) -> nn.Module:
    """Make the module with weights by its own initialisers, which draw from a generator of `bits`.

    `target` is the dotted name of a class, or of a function of a module that the user allows, and
    `args` its keyword arguments, as JSON. The state of torch's generator is put back.

    Raises:
        UserError: it may not be named, cannot be made, or is no torch.nn.Module.
    """
    where = f"model.target={target}"
    found = named(target, "model.target", besides=CLASSES_OF)
    is_class = isinstance(found, type) and issubclass(found, nn.Module)
    # Any other function could do anything: those of the user's own modules alone may be called.
    ours = tuple(f"{name}." for name in plugins())
    if not is_class and not (isfunction(found) and f"{found.__module__}.".startswith(ours)):
        raise UserError(
            f"{where}: a class of torch.nn.Module is needed, or a function that makes one of a "
            "module in SUBLIMINAL_PLUGINS"
        )
    with torch.random.fork_rng(devices=[]), _quiet():
        torch.default_generator.manual_seed(bits)
        try:
            module = found(**json.loads(args))
        except Exception as error:
            raise UserError(f"{where}: cannot be made with model.args: {_first(error)}") from error
    if not isinstance(module, nn.Module):
        raise UserError(f"{where}: makes a {type(module).__name__}, not a torch.nn.Module")
    return module.train()


@lru_cache(maxsize=64)  # it takes half a second, and most jobs of a sweep share their networks
def validate_module(
    target: str, args: str, image: tuple[int, int, int], given: int, blocks: tuple[str, ...]
) -> Backbone:
    """Make the module of `target` and `args`, see `made`, and validate it on a few images.

    It takes images (channels, height, width), whose channels are repeated from the `given` ones of
    the data set; `blocks` are the submodules whose outputs are wanted.

    Raises:
        UserError: it cannot be stacked, or does not map images to rows; one line says why.
    """
    where = f"model.target={target}"
    module, again, other = (made(target, args, bits) for bits in (0, 0, 1))
    _check_state(where, module, again, other)
    noise = torch.Generator().manual_seed(0)
    x = torch.rand(IMAGES, given, *image[1:], generator=noise) * 2 - 1
    images, rows = x.expand(-1, image[0], -1, -1), x.flatten(1)
    with torch.no_grad(), torch.random.fork_rng(devices=[]), _quiet():
        try:
            direct = [each(images) for each in (again, other)]
        except Exception as error:
            shape = tuple(images.shape)
            raise UserError(f"{where}: does not take images {shape}: {_first(error)}") from error
        _check_output(where, direct[0])
        if changed := _unlike(again.named_buffers(), module.buffers()):
            raise UserError(f"{where}: changes its buffer {changed} as it computes: {_STATE}")
        backbone = Backbone(module, {}, image, direct[0].shape[1])
        params = {
            name: torch.stack([value, other.get_parameter(name)])
            for name, value in module.named_parameters()
        }
        try:
            found = vmap(backbone.call)(params, torch.stack([rows, rows]))
        except Exception as error:
            why = f"cannot run for a stack of seeds: {_first(error)}"
            if "randomness" in str(error):
                why = f"draws random numbers as it computes, which no seed owns; {_DROPOUT}"
            raise UserError(f"{where}: {why}") from error
        if not _close(again(images), direct[0]):
            raise UserError(f"{where}: computes otherwise when it is called again: {_STATE}")
        if not _close(found, torch.stack(direct)):
            raise UserError(
                f"{where}: does not compute with its parameters alone, as a stack of seeds needs"
            )
        first = {name: value[:1] for name, value in params.items()}
        alone = [backbone.outputs(first, row[None, None])[0] for row in rows]
        if not _close(torch.cat(alone), direct[0]):
            raise UserError(
                f"{where}: its output for an image depends on the batch; use torch.nn.GroupNorm "
                "or LayerNorm where it takes means over images"
            )
        shapes = _blocks(where, backbone, first, rows[None], blocks)
        drops = _drops(where, backbone, first, rows[None])
    return Backbone(module, shapes, image, backbone.width, drops)


def _check_state(where: str, module: nn.Module, again: nn.Module, other: nn.Module) -> None:
    """Refuse modules that are known not to fit, and weights that are not a seed's own.

    `again` was made with the same random numbers as `module`, `other` with different ones.
    """
    for name, part in module.named_modules():
        kind = f"{where}: {name or 'it'} is a {type(part).__name__}"
        if isinstance(part, _BatchNorm) or getattr(part, "track_running_stats", False):
            raise UserError(f"{kind}, which takes means over a batch; use torch.nn.GroupNorm")
        if isinstance(part, _DropoutNd) and part.p > 0:
            raise UserError(f"{kind}, whose random numbers no seed owns; {_DROPOUT}")
        if isinstance(part, nn.RNNBase | nn.RNNCellBase):
            raise UserError(
                f"{kind}, which torch cannot run for a stack of seeds; write its cells out with "
                "torch.nn.Linear"
            )
    for name, value in module.named_parameters():
        if isinstance(value, nn.UninitializedParameter):
            raise UserError(f"{where}: {name} has no shape yet; use no lazy module")
        if value.dtype != torch.float32:
            raise UserError(f"{where}: {name} is {value.dtype}; float32 is needed")
        if not value.requires_grad:
            raise UserError(
                f"{where}: {name} takes no gradient; make it a buffer, or freeze it with "
                "teacher.frozen and distill.frozen"
            )
    values = [*module.named_parameters(), *module.named_buffers()]
    if name := _unlike(values, [*again.parameters(), *again.buffers()]):
        raise UserError(f"{where}: {name} is random, but not by torch's own generator")
    if name := _unlike(module.named_buffers(), other.buffers()):
        raise UserError(f"{where}: the buffer {name} is random; make it a parameter")


def _check_output(where: str, output: Any) -> None:
    if not isinstance(output, Tensor):
        raise UserError(f"{where}: gives a {type(output).__name__}; one tensor is needed")
    if output.dim() != 2 or len(output) != IMAGES or 0 in output.shape:
        raise UserError(
            f"{where}: gives {tuple(output.shape)} for {IMAGES} images; ({IMAGES}, features) is "
            "needed"
        )
    if output.dtype != torch.float32 or not output.isfinite().all():
        raise UserError(f"{where}: its output is not finite or not float32")


def _blocks(
    where: str, backbone: Backbone, params: Params, x: Tensor, blocks: Sequence[str]
) -> dict[str, tuple[int, ...]]:
    """Return the blocks' shapes; refuse those whose output alone does not lead to the module's."""
    there = [name for name, _ in backbone.module.named_modules() if name]
    if missing := [block for block in blocks if block not in there]:
        raise UserError(f"model.blocks: no {missing[0]!r}; {where} has {', '.join(there)}")
    outputs, expected = _outputs(backbone, params, x, blocks)
    for block, found in outputs.items():
        if len(found) != 1 or not isinstance(found[0], Tensor) or len(found[0]) != IMAGES:
            raise UserError(f"model.blocks: {block} does not give one tensor for a batch, once")
    shapes = {block: tuple(found[0].shape[1:]) for block, found in outputs.items()}
    whole = Backbone(backbone.module, shapes, backbone.image, backbone.width)
    for block, (output,) in outputs.items():
        if not _close(whole.onward(params, block, flat(output)[None]), expected):
            raise UserError(
                f"model.blocks: what follows {block} depends on more than its output (a connection "
                "goes past it); name the block that holds both"
            )
    return shapes


def _drops(
    where: str, backbone: Backbone, params: Params, x: Tensor
) -> dict[str, tuple[float, tuple[int, ...]]]:
    """Return the rate and shape of each dropout layer of ours; refuse those not called once."""
    layers = {n: m.p for n, m in backbone.module.named_modules() if isinstance(m, Dropout) and m.p}
    outputs, _ = _outputs(backbone, params, x, layers)
    for name, found in outputs.items():
        if len(found) != 1 or len(found[0]) != IMAGES:
            raise UserError(
                f"{where}: {name or 'it'} is a Dropout that is not called on a batch, once; make "
                "one for each place"
            )
    return {name: (p, tuple(outputs[name][0].shape[1:])) for name, p in layers.items()}


def _outputs(
    backbone: Backbone, params: Params, x: Tensor, names: Iterable[str]
) -> tuple[dict[str, list[Any]], Tensor]:
    """Return what each submodule gives, once for each of its calls, and the module's own output."""
    found: dict[str, list[Any]] = {name: [] for name in names}
    with hooked(backbone.module, found, lambda name, output: found[name].append(output)):
        return found, backbone.outputs(params, x)


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():  # operators that vmap runs one by one
        warnings.filterwarnings("ignore", message="There is a performance drop")
        warnings.filterwarnings("ignore", message="Initializing zero-element tensors")
        yield


def _close(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and bool((a - b).abs().max() <= CLOSE * b.abs().max())


def _unlike(named: Iterable[tuple[str, Tensor]], others: Iterable[Tensor]) -> str | None:
    """Return the name of the first tensor that differs from its counterpart."""
    pairs = zip(named, others, strict=True)
    return next((name for (name, a), b in pairs if not torch.equal(a, b)), None)


def _first(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
