"""Trainings whose weights are kept in a cache: each is done once, and then read."""

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from safetensors.torch import save_file
from torch import Tensor

from subliminal import store
from subliminal.state import Task, Training
from subliminal.state.callbacks import Callback
from subliminal.state.tables import epoch_rows
from subliminal.tensors.layout import Layout
from subliminal.tensors.network import Network
from subliminal.training.checkpoint import Checkpoints, fingerprint, read_checked, stacks
from subliminal.training.job import Job
from subliminal.training.loop import fit

History = list[dict[str, float]]  # a row per epoch; the first is before training


def learnt(
    job: Job,
    phase: str,
    network: Network,
    task: Callable[[list[int]], tuple[Task, list[Callback]]],
    hashes: Mapping[int, str],
    start: Tensor,
    **settings: Any,
) -> tuple[Tensor, dict[int, History]]:
    """Return the weights that a stack has after a training, done where the cache lacks them.

    Args:
        job: where the cache lies, and whether interrupted trainings resume.
        phase: of the training: base | teacher.
        network: the one that is trained.
        task: returns the task of some rows of the stack, and what observes their training.
        hashes: what names each seed's weights in the cache, in the order of the stack.
        start: initial weights, (seeds, P).
        settings: further fields of `Training`.

    Returns:
        The weights (seeds, P), and each seed's metrics by epoch.
    """
    cache = Path(job.cfg.outputs) / f"{phase}s"
    paths = {seed: cache / f"{digits}.safetensors" for seed, digits in hashes.items()}
    seeds = tuple(paths)
    theta = start.clone()
    views = network.layout.views(theta)
    histories: dict[int, History] = {}
    with ExitStack() as locks:
        # Jobs that want the same weights wait for the one that trains them. All take the locks in
        # the same order, so that no two jobs wait for each other.
        (cache / ".locks").mkdir(parents=True, exist_ok=True)
        for path in sorted({*paths.values()}):  # seeds may share one, see `pin`
            locks.enter_context(FileLock(cache / ".locks" / f"{path.stem}.lock"))
            store.remove_stale_files(path)
            store.remove_stale_files(_checkpoint(path))
        for row, seed in enumerate(seeds):
            cached = read(paths[seed], network.layout)
            if cached is not None:
                weights, histories[seed] = cached
                for name, values in weights.items():
                    views[name][row] = values.to(theta.device)
        missing = {s: _checkpoint(path) for s, path in paths.items() if s not in histories}
        for group, saved in stacks(missing, resume=job.cfg.resume):
            rows = [seeds.index(seed) for seed in group]
            at = torch.tensor(rows)
            learning, observers = task(rows)
            training = Training(
                phase,
                group,
                network,
                learning,
                trait=learning,
                reference=start[at],
                theta=theta[at],
                **settings,
            )
            fit(training, [*observers, Checkpoints(missing, observers)], saved)
            theta[at] = training.theta
            for column, (row, seed) in enumerate(zip(rows, group, strict=True)):
                histories[seed] = epoch_rows(training, column)
                weights = {name: view[row].cpu().contiguous() for name, view in views.items()}
                metadata = {"history": json.dumps(histories[seed]), "sha256": fingerprint(weights)}
                store.write_atomically(paths[seed], partial(save_file, weights, metadata=metadata))
                missing[seed].unlink(missing_ok=True)
    return theta, histories


def _checkpoint(path: Path) -> Path:
    return path.with_suffix(".checkpoint")


def read(path: Path, layout: Layout) -> tuple[dict[str, Tensor], History] | None:
    """Return cached weights; None without them, or with a warning if the file is damaged."""
    return read_checked(
        path,
        "Cached %s is damaged (%s); its weights are trained again.",
        lambda found, more: ({n: found[n] for n in layout.shapes}, json.loads(more["history"])),
    )
