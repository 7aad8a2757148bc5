"""A GPU that is pretended: tensors that say they are on one, computed on the CPU.

Every operator is seen: those that wait for the device, what is copied to it, and tensors of the
host that meet its own, which a GPU refuses.
"""

import gc
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar
from weakref import ref

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing

CUDA = torch.device("cuda")
# Operators whose result the host must know before it can go on: `.item()`, `bool()`, masks.
WAITING = {"_local_scalar_dense", "mask", "nonzero", "masked_select", "_unique2"}
TO, BACK = "copy to the device", "copy to the host"


class DeviceTensor(torch.Tensor):
    """A tensor of the device; `held` is where its numbers are."""

    held: torch.Tensor
    made: ClassVar[list[ref[torch.Tensor]]] = []

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> "DeviceTensor":
        made: DeviceTensor = torch.Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=torch.device("meta"),
        )
        made.held = held
        DeviceTensor.made.append(ref(made))
        return made

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return CUDA

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def __repr__(self) -> str:  # type: ignore[override]
        return f"DeviceTensor({self.held})"

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return dispatch(func, args, kwargs or {}, Counter())


class GPU(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Makes and runs tensors of the device; counts what happens while `watching`."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.watching = False
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        counts = Counter[str]()
        try:
            return dispatch(func, args, kwargs or {}, counts)
        finally:
            if self.watching:
                self.counts += counts

    def bytes(self) -> int:
        """Return the memory that is in use."""
        gc.collect()
        DeviceTensor.made = [one for one in DeviceTensor.made if one() is not None]
        storages = {}
        for one in DeviceTensor.made:
            tensor: Any = one()
            storage = tensor.held.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
        return sum(storages.values())

    @property
    def waits(self) -> set[str]:
        """What made the host wait, or would."""
        return (WAITING | {TO, BACK}) & set(self.counts)


def tree_map(change: Callable[[Any], Any], tree: Any) -> Any:
    """Change the leaves of what operators take and give; torch's own is most of such a run."""
    if isinstance(tree, (list, tuple)):
        return type(tree)([tree_map(change, item) for item in tree])
    if isinstance(tree, dict):
        return {key: tree_map(change, item) for key, item in tree.items()}
    return change(tree)


def tree_leaves(tree: Any) -> list[Any]:
    """Return the leaves of what operators take and give."""
    leaves: list[Any] = []
    tree_map(leaves.append, tree)
    return leaves


_aliased: Any = return_and_correct_aliasing  # which has no types


def dispatch(func: Any, args: Sequence[Any], kwargs: dict[str, Any], counts: Counter[str]) -> Any:
    name = func.overloadpacket.__name__
    leaves = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    ours = [leaf for leaf in leaves if isinstance(leaf, DeviceTensor)]
    asked = kwargs.get("device")
    on_device = bool(ours) if asked is None else torch.device(asked).type in ("cuda", "meta")
    if name == "copy_" and len(leaves) == 2:
        counts[name] += 1
        if len(ours) == 1:
            counts[TO if ours[0] is args[0] else BACK] += 1
    elif name == "_to_copy":
        if on_device != bool(ours):
            counts[TO if on_device else BACK] += 1
    else:
        rows = [r for r in args[1] if r is not None] if name in ("index", "index_put_") else []
        hosts = [leaf for leaf in leaves if not isinstance(leaf, DeviceTensor) and leaf.dim() > 0]
        if ours and hosts:  # a number is what a kernel is called with, but a tensor …
            if any(all(leaf is not row for row in rows) for leaf in hosts):
                raise RuntimeError(f"{name}: a tensor of the host meets one of the device")
            counts[TO] += 1  # … may only name rows
        if ours:
            counts["mask" if any(r.dtype == torch.bool for r in rows) else name] += 1
    inner_args, inner = tree_map(
        lambda leaf: leaf.held if isinstance(leaf, DeviceTensor) else leaf, (args, kwargs)
    )
    if name == "_efficientzerotensor":  # of forward-mode derivatives; these kernels need numbers
        func = torch.ops.aten.zeros.default
    if asked is not None and on_device:
        inner["device"] = torch.device("cpu")
    found = func(*inner_args, **inner)
    if not on_device:
        return args[0] if name == "copy_" else found
    held = tree_map(
        lambda leaf: DeviceTensor(leaf) if isinstance(leaf, torch.Tensor) else leaf, found
    )
    return _aliased(func, args, kwargs, held) if ours else held


@contextmanager
def pretended(monkeypatch: pytest.MonkeyPatch) -> Iterator[GPU]:
    """Within, tensors can be made on, and sent to, the device "cuda"."""
    monkeypatch.setattr(torch.cuda, "_lazy_init", lambda: None)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "pretended")
    torch._C._ensureCUDADeviceGuardSet()  # as torch's FakeTensor does
    with GPU() as gpu:
        yield gpu
