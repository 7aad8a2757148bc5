"""One stack of seeds from reference weights to files: data, teacher, student."""

import copy
import gc
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from subliminal import metrics, store
from subliminal.data import Dataset, Labelled, PerSeed
from subliminal.data.withheld import Withheld
from subliminal.distill import SharedWeights
from subliminal.distill.targets import PLAIN, Variant
from subliminal.errors import UserError
from subliminal.state import Training
from subliminal.state.callbacks import Callback
from subliminal.state.callbacks.divergence import Divergence
from subliminal.state.callbacks.files import RunFiles, new_past
from subliminal.state.callbacks.first_step import FirstStep
from subliminal.state.callbacks.losses import Losses
from subliminal.state.callbacks.progress import Progress, Report
from subliminal.state.callbacks.trait import Unmeasured, test_callback
from subliminal.steering import Origin, steered
from subliminal.steering.displaced import Displaced
from subliminal.tensors import streams
from subliminal.tensors.network import Network
from subliminal.tensors.perturbation import perturbed
from subliminal.trackers import RunInfo
from subliminal.training.cached import History
from subliminal.training.checkpoint import Checkpoints, Saved, stacks
from subliminal.training.experiment import Experiment, set_arithmetic
from subliminal.training.job import Job
from subliminal.training.loop import fit
from subliminal.training.tasks import Distillation, trait
from subliminal.training.teacher import bases, teachers

STOPPED = "KeyboardInterrupt"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """How one seed ended."""

    seed: int
    failure: str | None = None  # None: finished
    notes: tuple[str, ...] = ()
    busy: bool = False  # another process has the run: nothing was done


def run_stack(
    job: Job, seeds: tuple[int, ...], *, report: Report, stop: Callable[[], bool]
) -> list[Outcome]:
    """Train and record one stack of seeds; outcomes and files tell of failures.

    Seeds resume from their checkpoints, side by side with others of equal progress.

    Args:
        job: the condition.
        seeds: trained side by side.
        report: called with the progress.
        stop: called at each step; True ends the training as Ctrl-C does.
    """
    outcomes = []
    paths: dict[int, Path] = {}
    with ExitStack() as locks:
        for seed in seeds:
            directory = job.run_dir(seed)
            lock = store.claim(directory)
            if lock is None:
                outcomes.append(Outcome(seed, busy=True))
                continue
            locks.callback(lock.release)
            if store.finished(directory):
                store.drop_checkpoint(directory)
                # Another process may have finished it since this job began.
                if not job.force and store.intact(directory):
                    outcomes.append(Outcome(seed))
                    continue
            paths[seed] = directory / store.CHECKPOINT
        waiting = stacks(paths, resume=job.cfg.resume)
        while waiting:
            stack, saved = waiting.pop(0)
            files = _run_files(job, stack, saved)
            try:
                # No variable holds the training: a failed one must leave the device's memory.
                fit(*prepare_student(job, files, Progress(report, stop)), saved)
            except torch.OutOfMemoryError as error:
                if len(stack) > 1:
                    waiting[:0] = _halves(job, {seed: paths[seed] for seed in stack})
                    continue
                files.record(error)
            except UserError as error:  # of one seed: the others are trained without it
                if len(stack) > 1:
                    each = [stacks({s: paths[s]}, resume=job.cfg.resume) for s in stack]
                    waiting[:0] = chain.from_iterable(each)
                    continue
                files.record(error)
            except (Exception, KeyboardInterrupt) as error:
                files.record(error)
                if isinstance(error, KeyboardInterrupt) and not files.failures:
                    raise  # all files are written already
            failures, notes = files.failures, tuple(files.notes)
            outcomes += [Outcome(seed, failures.get(seed), notes) for seed in stack]
            if stop() or STOPPED in failures.values():
                break
    return outcomes


def _halves(job: Job, paths: Mapping[int, Path]) -> list[tuple[tuple[int, ...], list[Saved]]]:
    """Split a stack that the device's memory does not hold into two."""
    line = "%d seeds at once do not fit the memory of the device; half as many now."
    log.warning(line, len(paths))
    gc.collect()  # the failed stack's tensors
    torch.cuda.empty_cache()
    seeds = [*paths]
    middle = len(seeds) // 2
    return [
        stack
        for half in (seeds[:middle], seeds[middle:])
        for stack in stacks({seed: paths[seed] for seed in half}, resume=job.cfg.resume)
    ]


def _run_files(job: Job, seeds: tuple[int, ...], saved: Sequence[Saved]) -> RunFiles:
    """Return the writer of a stack's files; a resumed run keeps its id."""
    pasts = {seed: new_past() for seed in seeds}
    for seed, one in zip(seeds, saved, strict=False):  # a stack that starts anew has none
        pasts[seed] = one.facts | {"resumed": [*one.facts["resumed"], one.index]}
    device = job.experiment.device
    facts = {
        "experiment": job.cfg.name,
        "condition": job.condition,
        "seconds": {},
        "environment": job.made_with,
        "device": str(device),
        # The last bits depend on the kind of GPU.
        "card": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        "threads": job.cfg.engine.threads,
        "stack": len(seeds),
    }
    return RunFiles({seed: job.run_dir(seed) for seed in seeds}, job.text, facts, pasts)


def prepare_student(
    job: Job, files: RunFiles, progress: Progress
) -> tuple[Training, list[Callback]]:
    """Load the data and get the teachers; return the student's training and its callbacks."""
    cfg, seeds = job.cfg, tuple(files.directories)
    experiment = copy.deepcopy(job.experiment)  # probes keep what they gather of a stack
    set_arithmetic(cfg)
    with files.timed("data"):
        data = labelled(experiment.data, experiment.device, seeds).measured_on(cfg.trait.on)
    with files.timed("base"):
        shared = shared_weights(job, experiment, data, seeds, [progress])
    observers = [FirstStep(job.config, files.notes), progress]
    with files.timed("teacher"):
        teacher, files.teacher_rows = teacher_weights(
            job, experiment, data, shared.teacher, seeds, observers
        )
        others = [
            teacher_weights(job, experiment, data, shared.teacher, seeds, observers, variant)[0]
            for variant in (experiment.targets.variants if experiment.targets else ())
        ]
    network, teacher_network = experiment.network, experiment.teacher_network
    drawn = streams.pinned(seeds, cfg.pin.init)
    start = experiment.init.start(network, shared, drawn, own=streams.STUDENT_INIT)
    noise = cfg.distill.perturb_before
    start = perturbed(start, noise, network.layout, seeds, moment="student before")
    distillation = Distillation(
        network,
        experiment.loss,
        experiment.inputs,
        streams.pinned(seeds, cfg.pin.inputs),
        data=data,
        reference=start,
        teacher=teacher,
        teacher_network=teacher_network,
        targets=experiment.targets,
        others=others,
        runs=seeds,
    )
    student = Training(
        "student",
        seeds,
        network,
        distillation,
        trait=trait(network, start, data),
        reference=start,
        theta=start.clone(),
        epochs=cfg.distill.epochs,
        batch_size=cfg.distill.batch_size,
        optim=experiment.optim,
        mitigations=experiment.mitigations,
        teacher=teacher,
        teacher_reference=shared.teacher,
        teacher_network=teacher_network,
        frozen=cfg.distill.frozen,
        data=data,
        order_seed=cfg.pin.student_order,
    )
    if experiment.targets is not None and experiment.targets.needs_gradient:
        distillation.trait_gradient = student.full_gradient(student.trait)
    return student, _callbacks(job, experiment, data, files, progress)


def shared_weights(
    job: Job,
    experiment: Experiment,
    data: Labelled,
    seeds: tuple[int, ...],
    callbacks: Sequence[Callback] = (),
) -> SharedWeights:
    """Return the reference weights, of the base if there is one, and where the teacher starts."""
    cfg, network = job.cfg, experiment.teacher_network
    drawn = streams.pinned(seeds, cfg.pin.init)

    def base(network: Network, start: Tensor, stream: str) -> Tensor:
        if cfg.base is None:
            return start
        cache = Path(cfg.outputs) / "bases"
        hashes = {seed: job.base_hash(seed, network, stream) for seed in seeds}
        paths = {seed: cache / f"{digits}.safetensors" for seed, digits in hashes.items()}
        return bases(job.cfg, experiment, paths, data, start, network, stream, callbacks)

    reference = base(network, network.reference(drawn, experiment.device), streams.INIT)
    same = SharedWeights(network, reference, reference, base)
    start = experiment.teacher_init.start(network, same, drawn, own=streams.TEACHER_INIT)
    noise = cfg.teacher.perturb_before
    start = perturbed(start, noise, network.layout, seeds, moment="teacher before")
    return replace(same, teacher=start)


def teacher_weights(
    job: Job,
    experiment: Experiment,
    data: Labelled,
    start: Tensor,
    seeds: tuple[int, ...],
    callbacks: Sequence[Callback] = (),
    variant: Variant = PLAIN,
) -> tuple[Tensor, dict[int, History]]:
    """Return the teachers (seeds, P), trained or steered, and each one's rows by epoch."""
    cfg, network, steering = job.cfg, experiment.teacher_network, experiment.steering
    if variant.untaught == "reference":
        return start, {}
    if variant.untaught == "displaced":
        steering = Displaced()
    if isinstance(experiment.data, Withheld):
        given = network.layout.stack(map(experiment.data.teacher, seeds), len(seeds))
        unknown = {"epoch": 0.0, "step": 0.0, metrics.TEACHER_ACCURACY: float("nan")}
        return given.to(start.device), {seed: [unknown] for seed in seeds}
    trained: Tensor | None = None
    if steering is None or steering.needs_teacher:
        cache = Path(cfg.outputs) / "teachers"
        hashes = {seed: job.teacher_hash(seed, variant.name) for seed in seeds}
        trained, rows = teachers(
            cfg,
            experiment,
            {seed: cache / f"{digits}.safetensors" for seed, digits in hashes.items()},
            data,
            start,
            variant=variant,
            callbacks=callbacks,
        )
    if steering is not None:
        trained, rows = steered(steering, Origin(network, start, trained, data, seeds))
    assert trained is not None, "trained or steered"
    noise = cfg.teacher.perturb_after
    return perturbed(trained, noise, network.layout, seeds, moment="teacher after"), rows


def _callbacks(
    job: Job, experiment: Experiment, data: Labelled, files: RunFiles, progress: Progress
) -> list[Callback]:
    """Return the student's callbacks: those that log come before those that write."""
    digits: Callback = Unmeasured(metrics.TRAIT_ACCURACY)
    if not isinstance(experiment.data, Withheld):
        digits = test_callback(
            data,
            metrics.TRAIT_ACCURACY,
            metrics.TRAIT_TEST_LOSS,
            margin_name=metrics.TRAIT_MARGIN,
            steps=tuple(job.cfg.trait.steps),
            per_class=job.cfg.trait.per_class,
        )
    first_step = FirstStep(job.config, files.notes)
    observers = [digits, Losses(metrics.DISTILL_LOSS), *experiment.probes, first_step]
    files.probes = experiment.probes
    divergence = Divergence(files.directories, files.failures)
    callbacks = [*observers, divergence, progress, files]
    if experiment.tracker is not None:  # after the files: it reads what they hold
        ids = {seed: past["run_id"] for seed, past in files.pasts.items()}
        info = RunInfo(files.directories, ids, _tracked_config(job), files.stop)
        callbacks.append(experiment.tracker.callback(info))
    checkpoints = Checkpoints(
        {seed: directory / store.CHECKPOINT for seed, directory in files.directories.items()},
        callbacks,
        failed=files.failures,
        facts=files.checkpoint_facts,
    )
    return [*callbacks, checkpoints]


def labelled(data: Dataset, device: torch.device, seeds: tuple[int, ...]) -> Labelled:
    """Return a data set's images and labels, or those of a stack of seeds, on the device."""
    return data.of_seeds(seeds).to(device) if isinstance(data, PerSeed) else _digits(data, device)


@lru_cache(maxsize=1)  # a worker trains many stacks on the same digits
def _digits(data: Dataset, device: torch.device) -> Labelled:
    return data.load().to(device)


def _tracked_config(job: Job) -> dict[str, Any]:
    """Return the config with the commit, under names that W&B does not reserve."""
    config = {key: value for key, value in job.config.items() if key not in ("name", "tracker")}
    return config | {
        "experiment": job.config["name"],
        "condition": job.condition,
        "mitigations": "+".join(job.config["mitigation"]) or "none",
        "git_commit": job.made_with["git_commit"],
    }
