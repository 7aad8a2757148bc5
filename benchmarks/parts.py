"""Where the time of one seed goes, by part: `python benchmarks/parts.py [all]`.

torch.profiler watches a run of the reference setting in one process with one thread, start-up
included. What runs inside evaluation, files, tracker, … counts for these; the rest of the loop is
split by torch's own operators. With `all`: the ledger, displacement and layers are measured too.
"""

import contextlib
import io
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any

import torch
from bench import ALL_OVERRIDES
from measure import Record, keep
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity, profile, record_function

from subliminal.config import terminal

# Parts by function: module, its owner (a class, or None), and the names of the functions.
Place = tuple[str, str | None, tuple[str, ...]]
CODE: dict[str, list[Place]] = {
    "dot products": [("subliminal.tensors.geometry", None, ("dot",))],
    "evaluation on test digits": [
        ("subliminal.state.callbacks.trait", "TestDigits", ("on_epoch_end",))
    ],
    "noise and frozen logits": [
        ("subliminal.training.tasks", "Distillation", ("start_epoch",)),
        ("subliminal.tensors.network", "Network", ("logits",)),
    ],
    "files and checkpoints": [
        (
            "subliminal.state.callbacks.files",
            "RunFiles",
            ("on_train_start", "on_epoch_end", "on_train_end"),
        ),
        ("subliminal.training.checkpoint", "Checkpoints", ("on_epoch_end",)),
    ],
    "tracker": [("subliminal.trackers.wandb", "_Records", ("on_train_start", "on_step"))],
    "data set": [("subliminal.data.mnist", "MNIST", ("load", "fetch"))],
}
OPERATORS = {
    "products": ("aten::mm", "aten::bmm", "aten::addmm", "aten::baddbmm", "aten::baddbmm_"),
    "gathers": ("aten::index_select", "aten::index", "aten::gather", "aten::take"),
    "optimizer": ("aten::_fused_adamw_", "aten::_fused_adam_"),
    "copies": ("aten::copy_", "aten::clone", "aten::_to_copy"),
}
OTHER, PYTHON = "other operators", "Python, imports, waiting"


def watched(function: Callable[..., Any], part: str) -> Callable[..., Any]:
    """Return the function, whose operators count for a part."""

    @wraps(function)
    def inner(*args: Any, **kwargs: Any) -> Any:
        with record_function(part):
            return function(*args, **kwargs)

    return inner


def watch() -> None:
    """Replace the functions of `CODE`; call it before others import them by name."""
    for part, places in CODE.items():
        for module, owner, names in places:
            holder = import_module(module)
            holder = holder if owner is None else getattr(holder, owner)
            for name in names:
                setattr(holder, name, watched(getattr(holder, name), part))


def part_of(event: FunctionEvent) -> str:
    """Return the part of an operator: that of its outermost watched caller, or its own."""
    part = next((p for p, names in OPERATORS.items() if event.name in names), OTHER)
    at: FunctionEvent | None = event
    while at is not None:
        if at.name in CODE:
            part = at.name
        at = at.cpu_parent
    return part


def by_part(overrides: list[str]) -> Record:
    """Profile a run of the entrypoint in this process; return seconds by part."""
    started = time.perf_counter()
    watch()
    from subliminal.commands.train import main as entrypoint

    sys.argv = ["train", "-m", "engine.workers=1", *overrides]
    os.environ.setdefault("WANDB_MODE", "offline")
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        said = io.StringIO()
        with (
            contextlib.redirect_stdout(said),
            profile(activities=[ProfilerActivity.CPU]) as watching,
        ):
            entrypoint()
    seconds = time.perf_counter() - started
    parts: dict[str, float] = defaultdict(float)
    for event in watching.events():
        parts[part_of(event)] += event.self_cpu_time_total / 1e6
    parts[PYTHON] = seconds - sum(parts.values())
    return {"seconds": seconds, "threads": torch.get_num_threads(), "parts": dict(parts)}


def main() -> None:
    every = sys.argv[1:] == ["all"]
    record = by_part(["seed=0", *(ALL_OVERRIDES if every else ())])
    for part, seconds in sorted(record["parts"].items(), key=lambda item: -item[1]):
        print(f"{part:28} {seconds:6.2f} s  {seconds / record['seconds']:4.0%}")
    keep("parts_all" if every else "parts", record, {})


if __name__ == "__main__":
    terminal.settle()
    main()
