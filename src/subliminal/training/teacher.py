"""Bases and teachers: each is trained once per (model, data, settings, seed), then cached."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from subliminal import metrics
from subliminal.config.schema import Config
from subliminal.data import Labelled
from subliminal.data.language import Texts
from subliminal.distill.targets import PLAIN, Variant
from subliminal.state import Task
from subliminal.state.callbacks import Callback
from subliminal.state.callbacks.losses import Losses
from subliminal.state.callbacks.trait import test_callback
from subliminal.tensors import streams
from subliminal.tensors.network import Network
from subliminal.training.cached import Course, History, learnt
from subliminal.training.experiment import Experiment
from subliminal.training.tasks import Classification, Reading, lessons


def teachers(
    cfg: Config,
    experiment: Experiment,
    paths: Mapping[int, Path],
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
        data: the digits, or the questions of the stack's seeds, on its device.
        reference: each seed's initial weights, (seeds, P).
        variant: other labels, part or order of the digits.
        callbacks: observers of the training (progress).

    Returns:
        The teachers' weights (seeds, P), and each seed's loss and test accuracy by epoch.
    """
    network, seeds = experiment.teacher_network, tuple(paths)

    def task(rows: list[int]) -> tuple[Task, list[Callback]]:
        of_rows = data.rows(rows)
        group = tuple(seeds[row] for row in rows)
        made = lessons(
            network, reference[torch.tensor(rows)], of_rows, group, experiment.second, variant
        )
        tests = test_callback(of_rows, metrics.TEACHER_ACCURACY, metrics.TEACHER_TEST_LOSS)
        return made, [Losses(metrics.TEACHER_LOSS), tests, *callbacks]

    course = Course(
        "teacher",
        network,
        task,
        epochs=cfg.teacher.epochs,
        batch_size=cfg.teacher.batch_size,
        optim=experiment.teacher_optim,
        frozen=cfg.teacher.frozen,
        order_seed=cfg.pin.teacher_order,
    )
    return learnt(course, paths, reference, resume=cfg.resume)


def bases(
    cfg: Config,
    experiment: Experiment,
    paths: Mapping[int, Path],
    data: Labelled,
    start: Tensor,
    network: Network,
    stream: str,
    callbacks: Sequence[Callback] = (),
) -> Tensor:
    """Return a network's weights, pre-trained from `start` (seeds, P) where the cache lacks them.

    Args:
        cfg: the job's settings.
        experiment: the job's objects; its `base_data` is learnt, or without it the language.
        paths: each seed's cache file, in the order of the stack.
        data: that of teacher and trait.
        start: weights that were drawn from the stream `stream`, (seeds, P).
        network: theirs.
        stream: with another one, the order of the examples is another too.
        callbacks: observers of the training (progress).
    """
    base, seeds, order = cfg.base, tuple(paths), f"{streams.DOCUMENTS}/{stream}"
    assert base is not None, "called where there is one"
    assert experiment.base_optim is not None, "a base has an optimizer"

    def task(rows: list[int]) -> tuple[Task, list[Callback]]:
        group = tuple(seeds[row] for row in rows)
        observers: list[Callback] = [Losses(metrics.BASE_LOSS), *callbacks]
        if experiment.base_data is not None:
            digits = experiment.base_data.load().to(start.device)
            tests = test_callback(digits, metrics.BASE_ACCURACY, metrics.BASE_TEST_LOSS)
            made = Classification(network, start[torch.tensor(rows)], digits, order=order)
            return made, [*observers, tests]
        texts = data.rows(rows)
        assert isinstance(texts, Texts), "build_experiment requires the language"

        def write(epoch: int) -> Tensor:
            return texts.pages(base.pages, base.shorts, group, order, epoch)

        at = torch.tensor(rows)
        return Reading(network, start[at], texts, write, size=base.pages), observers

    course = Course(
        "base",
        network,
        task,
        epochs=base.epochs,
        batch_size=base.batch_size,
        optim=experiment.base_optim,
    )
    return learnt(course, paths, start, resume=cfg.resume)[0]
