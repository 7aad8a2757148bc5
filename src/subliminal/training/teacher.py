"""Teachers: each is trained once per (model, data, settings, seed) and then read from a cache."""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from filelock import FileLock
from safetensors.torch import save_file
from torch import Tensor

from subliminal import metrics, store
from subliminal.config.schema import Config
from subliminal.data import Labelled
from subliminal.distill.targets import PLAIN, Variant
from subliminal.state import Training
from subliminal.state.callbacks import Callback
from subliminal.state.callbacks.losses import Losses
from subliminal.state.callbacks.trait import TestDigits
from subliminal.state.tables import epoch_rows
from subliminal.tensors import streams
from subliminal.tensors.layout import Layout
from subliminal.training.checkpoint import Checkpoints, fingerprint, read_checked, stacks
from subliminal.training.experiment import Experiment
from subliminal.training.loop import fit
from subliminal.training.tasks import Classification

History = list[dict[str, float]]  # a row per epoch; the first is before training


def teachers(
    cfg: Config,
    experiment: Experiment,
    paths: dict[int, Path],
    data: Labelled,
    reference: Tensor,
    *,
    variant: Variant = PLAIN,
    callbacks: Sequence[Callback] = (),
) -> tuple[Tensor, dict[int, History]]:
    """Return the teachers of a stack of seeds, trained where the cache lacks them.

    Args:
        cfg: the job's settings.
        experiment: the job's objects.
        paths: each seed's cache file, in the order of the stack.
        data: the digits, on the stack's device.
        reference: each seed's initial weights, (seeds, P).
        variant: other labels, part or order of the digits.
        callbacks: observers of the training (progress).

    Returns:
        The teachers' weights (seeds, P), and each seed's loss and test accuracy by epoch.
    """
    network, second = experiment.teacher_network, experiment.second
    seeds = tuple(paths)
    digits_of = variant.digits(data)
    order = f"{streams.TEACHER_ORDER}/{variant.order}" if variant.order else streams.TEACHER_ORDER
    theta = reference.clone()
    views = network.layout.views(theta)
    histories: dict[int, History] = {}
    with ExitStack() as locks:
        # Jobs that want the same teacher wait for the one that trains it. All take the locks in
        # the same order, so that no two jobs wait for each other.
        for path in sorted({*paths.values()}):  # seeds may share one, see `pin`
            folder = path.parent / ".locks"
            folder.mkdir(parents=True, exist_ok=True)
            locks.enter_context(FileLock(folder / f"{path.stem}.lock"))
            store.remove_stale_files(path)
            store.remove_stale_files(_checkpoint(path))
        for row, seed in enumerate(seeds):
            cached = read(paths[seed], network.layout)
            if cached is not None:
                weights, histories[seed] = cached
                for name, values in weights.items():
                    views[name][row] = values.to(theta.device)
        missing = {s: _checkpoint(path) for s, path in paths.items() if s not in histories}
        for group, saved in stacks(missing, resume=cfg.resume):
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
                epochs=cfg.teacher.epochs,
                batch_size=cfg.teacher.batch_size,
                optim=experiment.teacher_optim,
                frozen=cfg.teacher.frozen,
                order_seed=cfg.pin.teacher_order,
            )
            digits = TestDigits(
                data, accuracy_name=metrics.TEACHER_ACCURACY, loss_name=metrics.TEACHER_TEST_LOSS
            )
            observers = [Losses(metrics.TEACHER_LOSS), digits, *callbacks]
            fit(training, [*observers, Checkpoints(missing, observers)], saved)
            theta[rows] = training.theta
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
    """Return a cached teacher; None without one, or with a warning if it is damaged."""

    def checked(
        tensors: dict[str, Tensor], metadata: dict[str, str]
    ) -> tuple[dict[str, Tensor], History]:
        return {name: tensors[name] for name in layout.shapes}, json.loads(metadata["history"])

    return read_checked(path, "Cached teacher %s is damaged (%s); it is trained again.", checked)
