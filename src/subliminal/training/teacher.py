"""Bases and teachers: each is trained once per (model, data, settings, seed), then cached."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from subliminal import metrics
from subliminal.data import Labelled
from subliminal.data.language import Texts
from subliminal.data.withheld import Withheld
from subliminal.distill import SharedWeights
from subliminal.distill.targets import PLAIN, Variant
from subliminal.state import Task
from subliminal.state.callbacks import Callback
from subliminal.state.callbacks.losses import Losses
from subliminal.state.callbacks.trait import test_callback
from subliminal.steering import Origin, steered
from subliminal.steering.displaced import Displaced
from subliminal.tensors import streams
from subliminal.tensors.network import Network
from subliminal.tensors.perturbation import perturbed
from subliminal.training.cached import History, learnt
from subliminal.training.job import Job
from subliminal.training.tasks import Classification, Reading, lessons


def shared_weights(
    job: Job, data: Labelled, seeds: tuple[int, ...], callbacks: Sequence[Callback] = ()
) -> SharedWeights:
    """Return the reference weights, of the base if there is one, and where the teacher starts.

    Args:
        job: the condition.
        data: that of teacher and trait, on the job's device.
        seeds: of the stack.
        callbacks: observers of the base's training (progress).
    """
    cfg, experiment = job.cfg, job.experiment
    network, drawn = experiment.teacher_network, streams.pinned(seeds, cfg.pin.init)
    base = partial(_pretrained, job, data, seeds, callbacks)
    reference = base(network, network.reference(drawn, experiment.device), streams.INIT)
    same = SharedWeights(network, drawn, reference, reference, base)
    start = experiment.teacher_init.start(network, same, own=streams.TEACHER_INIT)
    noise = cfg.teacher.perturb_before
    start = perturbed(start, noise, network.layout, seeds, moment="teacher before")
    return replace(same, teacher=start)


def teacher_weights(
    job: Job,
    data: Labelled,
    start: Tensor,
    seeds: tuple[int, ...],
    callbacks: Sequence[Callback] = (),
    variant: Variant = PLAIN,
) -> tuple[Tensor, dict[int, History]]:
    """Return the teachers (seeds, P), trained or steered, and each one's rows by epoch.

    Args:
        job: the condition.
        data: the digits, or the questions of the stack's seeds, on the job's device.
        start: each seed's initial weights, (seeds, P).
        seeds: of the stack.
        callbacks: observers of the training (progress).
        variant: other labels, part or order of the digits.
    """
    cfg, experiment, steering = job.cfg, job.experiment, job.experiment.steering
    network = experiment.teacher_network
    if variant.untaught == "reference":
        return start, {}
    if variant.untaught == "displaced":
        steering = Displaced()
    if isinstance(experiment.data, Withheld):
        given = network.layout.stack(map(experiment.data.teacher, seeds), len(seeds))
        unknown = {"epoch": 0.0, "step": 0.0, metrics.TEACHER_ACCURACY: float("nan")}
        return given.to(start.device), {seed: [unknown] for seed in seeds}

    def task(rows: list[int]) -> tuple[Task, list[Callback]]:
        of_rows, group = data.rows(rows), tuple(seeds[row] for row in rows)
        reference = start[torch.tensor(rows)]
        made = lessons(network, reference, of_rows, group, experiment.second, variant)
        tests = test_callback(of_rows, metrics.TEACHER_ACCURACY, metrics.TEACHER_TEST_LOSS)
        return made, [Losses(metrics.TEACHER_LOSS), tests, *callbacks]

    trained: Tensor | None = None
    if steering is None or steering.needs_teacher:
        trained, histories = learnt(
            job,
            "teacher",
            network,
            task,
            {s: job.teacher_hash(s, variant.name) for s in seeds},
            start,
            epochs=cfg.teacher.epochs,
            batch_size=cfg.teacher.batch_size,
            optim=experiment.teacher_optim,
            frozen=cfg.teacher.frozen,
            order_seed=cfg.pin.teacher_order,
        )
    if steering is not None:
        trained, histories = steered(steering, Origin(network, start, trained, data, seeds))
    assert trained is not None, "trained or steered"
    noise = cfg.teacher.perturb_after
    return perturbed(trained, noise, network.layout, seeds, moment="teacher after"), histories


def _pretrained(
    job: Job,
    data: Labelled,
    seeds: tuple[int, ...],
    callbacks: Sequence[Callback],
    network: Network,
    start: Tensor,
    stream: str,
) -> Tensor:
    """Return a network's weights, pre-trained from `start` (seeds, P) where the cache lacks them.

    `start` was drawn from the stream `stream`; with another one, the order of the examples is
    another too. The experiment's `base_data` is learnt, or without it the language. Where the job
    has no base, they are `start`.
    """
    base, experiment, order = job.cfg.base, job.experiment, f"{streams.DOCUMENTS}/{stream}"
    if base is None:
        return start
    if isinstance(experiment.data, Withheld):
        given = (experiment.data.base(seed, stream) for seed in seeds)
        return network.layout.stack(given, len(seeds)).to(start.device)

    def task(rows: list[int]) -> tuple[Task, list[Callback]]:
        group, reference = tuple(seeds[row] for row in rows), start[torch.tensor(rows)]
        observers: list[Callback] = [Losses(metrics.BASE_LOSS), *callbacks]
        if experiment.base_data is not None:
            digits = experiment.base_data.load().to(start.device)
            tests = test_callback(digits, metrics.BASE_ACCURACY, metrics.BASE_TEST_LOSS)
            return Classification(network, reference, digits, order=order), [*observers, tests]
        texts = data.rows(rows)
        assert isinstance(texts, Texts), "build_experiment requires the language"
        write = partial(texts.pages, base.pages, base.shorts, group, order)
        return Reading(network, reference, texts, write, size=base.pages), observers

    return learnt(
        job,
        "base",
        network,
        task,
        {s: job.base_hash(s, network, stream) for s in seeds},
        start,
        epochs=base.epochs,
        batch_size=base.batch_size,
        optim=experiment.base_optim,
    )[0]
