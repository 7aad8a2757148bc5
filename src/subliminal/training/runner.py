"""One stack of seeds from reference weights to files: data, teacher, student."""

import copy
import gc
import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from subliminal import metrics, store
from subliminal.data import Dataset, Labelled, PerSeed
from subliminal.data.withheld import Withheld
from subliminal.errors import UserError
from subliminal.state import Training
from subliminal.state.callbacks import Callback
from subliminal.state.callbacks.divergence import Divergence
from subliminal.state.callbacks.files import RunFiles, new_past
from subliminal.state.callbacks.first_step import FirstStep
from subliminal.state.callbacks.losses import Losses
from subliminal.state.callbacks.progress import Progress, Report
from subliminal.state.callbacks.trait import Unmeasured, test_callback
from subliminal.tensors import streams
from subliminal.tensors.forward_mode import Linearised
from subliminal.tensors.perturbation import perturbed
from subliminal.trackers import RunInfo
from subliminal.training.checkpoint import Checkpoints, Saved, stacks
from subliminal.training.experiment import set_arithmetic
from subliminal.training.job import Job
from subliminal.training.loop import fit
from subliminal.training.tasks import Distillation, trait
from subliminal.training.teacher import shared_weights, teacher_weights

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
            except (torch.OutOfMemoryError, UserError) as error:
                if len(stack) > 1:
                    parts = [{seed: paths[seed] for seed in part} for part in _parts(stack, error)]
                    again = [stacks(part, resume=job.cfg.resume) for part in parts]
                    waiting[:0] = chain.from_iterable(again)
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


def _parts(stack: tuple[int, ...], error: Exception) -> list[tuple[int, ...]]:
    """Split a stack into two halves if the device's memory does not hold it, else into seeds."""
    if isinstance(error, UserError):  # of one seed: the others are trained without it
        return [(seed,) for seed in stack]
    line = "%d seeds at once do not fit the memory of the device; half as many now."
    log.warning(line, len(stack))
    gc.collect()  # the failed stack's tensors
    torch.cuda.empty_cache()
    middle = len(stack) // 2
    return [stack[:middle], stack[middle:]]


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
    job = job.changed(experiment=copy.deepcopy(job.experiment))  # probes keep what they gather
    cfg, seeds, experiment = job.cfg, tuple(files.directories), job.experiment
    set_arithmetic(cfg)
    with files.timed("data"):
        data = labelled(experiment.data, experiment.device, seeds).measured_on(cfg.trait.on)
    with files.timed("base"):
        shared = shared_weights(job, data, seeds, [progress])
    observers = [FirstStep(job.config, files.notes), progress]
    with files.timed("teacher"):
        teacher, files.teacher_rows = teacher_weights(job, data, shared.teacher, seeds, observers)
        others = [
            teacher_weights(job, data, shared.teacher, seeds, observers, variant)[0]
            for variant in (experiment.targets.variants if experiment.targets else ())
        ]
    network, teacher_network = experiment.network, experiment.teacher_network
    start = experiment.init.start(network, shared, own=streams.STUDENT_INIT)
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
        Linearised.around(network, start) if cfg.distill.linearised else network,
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
    return student, _callbacks(job, data, files, progress)


def _callbacks(job: Job, data: Labelled, files: RunFiles, progress: Progress) -> list[Callback]:
    """Return the student's callbacks: those that log come before those that write."""
    experiment = job.experiment
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
