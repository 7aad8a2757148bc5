"""Processor seconds of `experiment=language` by stage: `python benchmarks/stages.py [stacks]`.

One process with one thread trains as many seeds as a stack has, for each of the stacks (1, 4, 8):
the base; both teachers (one that loves an animal, a neutral one) with the numbers that they write
and their logits on these; a student of each kind. Then the table's first row is trained as a user
would, twenty seeds with their bases, for its peak memory. TARGETS are those of the prototype that
the experiment goes back to. Results go to outputs/bench/language.json.
"""

import contextlib
import io
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import torch
from measure import Record, keep, train

from subliminal.commands.train import main as entrypoint
from subliminal.config import terminal
from subliminal.training import runner
from subliminal.training.tasks import Distillation

BASE, TEACHERS, STUDENT, PROBED = (
    "base",
    "both teachers, samples and targets",
    "student",
    "student, alignment at every step",
)
TARGETS = {BASE: 1.2 * 5, TEACHERS: 1.2 * 3.6, STUDENT: 1.2 * 2.2, PROBED: 1.6 * 2.2}
STACKS = ("1", "4", "8")
SEEDS, MOST_GB = 20, 2.0
WATCHED: tuple[tuple[Any, str, str], ...] = (
    (runner, "shared_weights", "bases"),
    (runner, "teacher_weights", "teachers"),
    (runner, "fit", "fit"),
    (Distillation, "start_epoch", "samples"),
    (Distillation, "_frozen_logits", "targets"),
)

_spent: dict[str, float] = defaultdict(float)
_open: list[str] = []  # stages that have begun, the innermost last


@contextlib.contextmanager
def _stage(name: str) -> Iterator[None]:
    """Count the processor time in here for a stage, and no longer for the one around it."""
    started = time.process_time()
    _open.append(name)
    yield
    _open.pop()
    seconds = time.process_time() - started
    _spent[name] += seconds
    if _open:
        _spent[_open[-1]] -= seconds


def _timed(holder: Any, name: str, stage: str) -> None:
    function: Callable[..., Any] = getattr(holder, name)

    @wraps(function)
    def inner(*args: Any, **kwargs: Any) -> Any:
        with _stage(stage):
            return function(*args, **kwargs)

    setattr(holder, name, inner)


def measure(stack: int, *shrink: str) -> Record:
    """Return each stage's processor seconds per seed; `shrink` are overrides for a test of it."""
    found: dict[str, float] = defaultdict(float)
    with tempfile.TemporaryDirectory(prefix="bench") as folder:
        for case in (
            ("probe=off", "distill/loss=kl"),
            ("probe=off", "teacher.task.answers=uniform"),
            ("probe=alignment",),
        ):
            _spent.clear()
            sys.argv = [
                *("train", "-m", "experiment=language", "engine.workers=1", "tracker=none"),
                *(f"seed=0-{stack - 1}", f"engine.seeds_at_once={stack}", f"outputs={folder}"),
                *(*case, *shrink),
            ]
            with contextlib.redirect_stdout(io.StringIO()):
                entrypoint()
            if "probe=off" in case:
                found[BASE] += _spent["bases"]
                found[TEACHERS] += sum(_spent[n] for n in ("teachers", "samples", "targets"))
                found[STUDENT] += _spent["fit"] / 2
            else:
                found[PROBED] = _spent["fit"]
    return {stage: seconds / stack for stage, seconds in found.items()}


def whole(seeds: int, *shrink: str) -> Record:
    """Return processor seconds per seed, and peak memory, of a condition with its bases."""
    timed = train(
        *("experiment=language", "probe=divergence", "tracker=none", f"seed=0-{seeds - 1}"), *shrink
    )
    return {"seeds": seeds, "core s per seed": timed.core_seconds / seeds, "peak GB": timed.peak}


def main() -> None:
    torch.set_num_threads(1)
    for holder, name, stage in WATCHED:
        _timed(holder, name, stage)
    stacks = {word: measure(int(word)) for word in sys.argv[1:] or STACKS}
    for stage, target in TARGETS.items():
        reached = "  ".join(f"{of[stage]:6.2f}" for of in stacks.values())
        print(f"{stage:36} {reached}   target {target:.2f}")
    best = {stage: min(of[stage] for of in stacks.values()) for stage in TARGETS}
    sweep = whole(SEEDS)
    print(f"{sweep['seeds']} seeds: {sweep['peak GB']:.2f} GB, target {MOST_GB}; ", end="")
    print(f"{sweep['core s per seed']:.2f} core s a seed")
    print(*keep("language", {"stacks": stacks, "best": best, "sweep": sweep}, best), sep="\n")


if __name__ == "__main__":
    terminal.settle()
    main()
