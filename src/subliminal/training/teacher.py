"""The teacher: trained once per (model, data, settings, seed), then taken from the cache."""

import json
import logging
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from subliminal import metrics, store
from subliminal.data import Labelled
from subliminal.distill.targets import PLAIN, Variant
from subliminal.optim import Optim
from subliminal.state import Training
from subliminal.state.callbacks import Callback
from subliminal.state.callbacks.losses import Losses
from subliminal.state.callbacks.trait import TestDigits
from subliminal.state.tables import epoch_rows
from subliminal.tasks import SecondTask
from subliminal.tensors import streams
from subliminal.tensors.layout import Layout
from subliminal.tensors.network import Network
from subliminal.training.checkpoint import Checkpoints, fingerprint, stacks
from subliminal.training.loop import fit
from subliminal.training.tasks import Classification

log = logging.getLogger(__name__)

History = list[dict[str, float]]  # one row per epoch, the first before training


def teachers(
    paths: dict[int, Path],
    network: Network,
    optim: Optim,
    data: Labelled,
    reference: Tensor,
    *,
    epochs: int,
    batch_size: int,
    frozen: Sequence[str] = (),
    second: SecondTask | None = None,
    variant: Variant = PLAIN,
    order_seed: int | None = None,
    resume: bool = True,
    callbacks: Sequence[Callback] = (),
) -> tuple[Tensor, dict[int, History]]:
    """Return the teachers of a stack of seeds: from the cache where there, else trained.

    Args:
        paths: each seed's cache file, in the order of the stack.
        network: the teacher's network.
        optim: the teacher's optimizer.
        data: the digits, on the stack's device.
        reference: where the teacher of each seed starts, (seeds, P).
        epochs: passes over the training digits.
        batch_size: digits per step.
        frozen: layers that are not trained.
        second: a task of the auxiliary logits, learnt beside the digits.
        variant: in which other way they are trained.
        order_seed: whose order of the digits all have; None: each seed its own.
        resume: continue interrupted trainings from their checkpoints.
        callbacks: observers of the training (progress).

    Returns:
        The teachers' weights (seeds, P), and each seed's loss and test accuracy by epoch.
    """
    seeds = tuple(paths)
    digits_of = variant.digits(data)
    order = f"{streams.TEACHER_ORDER}/{variant.order}" if variant.order else streams.TEACHER_ORDER
    theta = reference.clone()
    views = network.layout.views(theta)
    histories: dict[int, History] = {}
    with ExitStack() as locks:
        # Jobs that want the same teacher wait for the one that trains it. The locks are taken in
        # one order by all, so that two jobs cannot hold what the other waits for.
        for path in sorted({*paths.values()}):  # seeds may share one, see `pin`
            locks.enter_context(_lock(path))
            store.remove_stale_files(path)
            store.remove_stale_files(_checkpoint(path))
        for row, seed in enumerate(seeds):
            cached = read(paths[seed], network.layout)
            if cached is not None:
                weights, histories[seed] = cached
                for name, values in weights.items():
                    views[name][row] = values.to(theta.device)
        missing = {s: _checkpoint(path) for s, path in paths.items() if s not in histories}
        for group, saved in stacks(missing, resume=resume):
            rows = [seeds.index(seed) for seed in group]
            task = Classification(
                network, reference[rows], digits_of, order=order, second=second, shift=variant.shift
            )
            training = Training(
                "teacher",
                group,
                network,
                task,
                trait=task,
                reference=reference[rows],
                theta=theta[rows],
                epochs=epochs,
                batch_size=batch_size,
                optim=optim,
                frozen=frozen,
                order_seed=order_seed,
            )
            digits = TestDigits(
                data,
                accuracy_name=metrics.TEACHER_ACCURACY,
                loss_name=metrics.TEACHER_TEST_LOSS,
            )
            observers = [Losses(metrics.TEACHER_LOSS), digits, *callbacks]
            fit(training, [*observers, Checkpoints(missing, observers)], saved)
            theta[rows] = training.theta
            for column, (row, seed) in enumerate(zip(rows, group, strict=True)):
                histories[seed] = epoch_rows(training, column)
                weights = {name: view[row].cpu().contiguous() for name, view in views.items()}
                _write(paths[seed], weights, histories[seed])
                missing[seed].unlink(missing_ok=True)
    return theta, histories


def _lock(path: Path) -> FileLock:
    folder = path.parent / ".locks"
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / f"{path.stem}.lock")


def _checkpoint(path: Path) -> Path:
    return path.with_suffix(".checkpoint")


def _write(path: Path, weights: dict[str, Tensor], history: History) -> None:
    metadata = {"history": json.dumps(history), "sha256": fingerprint(weights)}
    store.write_atomically(path, lambda temporary: save_file(weights, temporary, metadata))


def read(path: Path, layout: Layout) -> tuple[dict[str, Tensor], History] | None:
    """Return a cached teacher, or None when there is none or it is damaged (which is said)."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            weights = {name: file.get_tensor(name) for name in layout.shapes}
            metadata = file.metadata()
        if fingerprint(weights) != metadata["sha256"]:
            raise ValueError("its content does not have its checksum")
        history: History = json.loads(metadata["history"])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        log.warning("Cached teacher %s is damaged (%s); it is trained again.", path.name, error)
        return None
    return weights, history
