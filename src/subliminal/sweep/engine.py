"""A job: the seeds of one condition, spread over stacks and worker processes."""

import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import torch

from subliminal import store
from subliminal.errors import RunsFailed
from subliminal.state.callbacks.files import BY_ITS_USER
from subliminal.sweep import cores, signals
from subliminal.sweep.console import Console
from subliminal.sweep.workers import Stack, side_by_side
from subliminal.tensors.network import Writing
from subliminal.trackers.uploader_client import followed
from subliminal.training.job import Job
from subliminal.training.memory import bytes_per_seed, stack_size
from subliminal.training.runner import STOPPED, Outcome, run_stack

# Bytes of a process without its seeds: torch, MNIST, a batch. Measured: 0.30e9 in a worker, which
# shares its imports, 0.40e9 in this process and in the fork server.
PROCESS = 0.4e9
POLL_SECONDS = 0.5  # between two looks at runs that another process trains


@followed()
def run_job(job: Job, console: Console) -> list[Path]:
    """Train a job's seeds that are not yet finished; return all run folders in the seeds' order.

    Seeds that another process is training are left to it, and waited for at the end.

    Raises:
        UserError: bad input, before any training starts; or some seeds failed, which are named.
        KeyboardInterrupt: the user stopped the job; finished seeds are kept.
    """
    experiment = job.experiment
    runs = {seed: job.run_dir(seed) for seed in job.seeds}
    todo = _unfinished(job, console)
    if not todo:
        _begin_tracking(job, [], list(runs.values()), console)
        return list(runs.values())
    experiment.check_seeds(todo)
    job.record(job.seeds)
    experiment.fetch()
    new = [runs[seed] for seed in todo]
    finished = [run for run in runs.values() if run not in new]
    job = _begin_tracking(job, new, finished, console)
    outcomes: list[Outcome] = []
    notes: set[str] = set()
    waits = False
    with console.progress(job.condition, len(todo)) as progress:

        def collect(ended: list[Outcome]) -> None:
            own = [outcome for outcome in ended if not outcome.busy]
            outcomes.extend(own)
            for note in sorted({note for one in own for note in one.notes} - notes):
                console.say(note)
                notes.add(note)
            progress.seeds_done(len(own))
            if signals.stop_requested() or STOPPED in [outcome.failure for outcome in own]:
                raise KeyboardInterrupt

        while todo:
            stacks = _stacks(job, [s for s in todo if store.state(runs[s]) != "running"])
            if (workers := _worker_count(job, stacks, console)) > 1:
                for ended in side_by_side(job, stacks, workers, progress.report, console):
                    collect(ended)
            while stacks:  # all of them, or those that are left when no worker can be started
                stack = stacks.popleft()
                collect(run_stack(job, stack, report=progress.report, stop=signals.stop_requested))
            done = {outcome.seed for outcome in outcomes}
            todo = [seed for seed in todo if seed not in done]
            if todo and not waits:
                waits = True
                busy = ", ".join(str(seed) for seed in todo)
                console.say(f"Another process trains seeds {busy}; waiting for it.")
            if todo:
                time.sleep(POLL_SECONDS)
            job = job.changed(force=False)  # the other process has just trained what it finishes
    _report(outcomes, console)
    return list(runs.values())


def _unfinished(job: Job, console: Console) -> list[int]:
    """Return the seeds to train; say which seeds are kept, and which are damaged."""
    seeds = job.seeds
    states = {seed: store.examine(job.run_dir(seed)) for seed in seeds}
    todo = [seed for seed in seeds if job.force or states[seed] != "finished"]
    for seed in set(seeds) - set(todo):  # a kill between marker and removal leaves a checkpoint
        store.drop_checkpoint(job.run_dir(seed))
    if damaged := [str(seed) for seed in seeds if states[seed] == "damaged"]:
        console.say(
            f"Damaged and trained again: seeds {', '.join(damaged)} "
            f"(their files differ from the checksums in {store.MARKER})."
        )
    if len(todo) < len(seeds):
        console.say(
            f"{len(seeds) - len(todo)} of {len(seeds)} seeds are finished already and kept "
            "(force=true trains them again)."
        )
    return todo


def _begin_tracking(job: Job, todo: list[Path], finished: list[Path], console: Console) -> Job:
    """Return the job with the tracker settings that its tracker chooses for these runs."""
    tracker = job.experiment.tracker
    if tracker is None:
        return job
    override, line = tracker.begin(todo, finished)
    if line:
        console.say(line)
    return job.with_tracker(None if override is None else {**job.config["tracker"], **override})


def _stacks(job: Job, seeds: Sequence[int]) -> deque[Stack]:
    """Return the seeds in stacks.

    On a CPU one seed each: a stack is no faster per seed, because memory traffic limits it. Of the
    small networks that read documents five, which take two thirds of the time that each would take
    alone. On a GPU as many as its memory holds.
    """
    experiment, size = job.experiment, job.cfg.engine.seeds_at_once
    if size is None and experiment.device.type == "cpu":
        size = 5 if isinstance(experiment.network.model, Writing) else 1
    elif size is None:
        if experiment.device.type == "cuda":
            total = torch.cuda.get_device_properties(experiment.device).total_memory
        else:
            total = torch.mps.recommended_max_memory()
        size = stack_size(experiment, _batch(job), max(1, len(seeds)), total)
    return deque(tuple(seeds[start : start + size]) for start in range(0, len(seeds), size))


def _worker_count(job: Job, stacks: Sequence[Stack], console: Console) -> int:
    """Return how many processes train the stacks: on a CPU as cores and memory allow, else one."""
    experiment, engine = job.experiment, job.cfg.engine
    if experiment.device.type != "cpu":
        return 1
    if engine.workers is not None:
        return min(engine.workers, len(stacks))
    by_cores = min(max(1, cores.granted() // engine.threads), len(stacks))
    if by_cores <= 1:
        return 1
    each = PROCESS + max(map(len, stacks)) * bytes_per_seed(experiment, _batch(job))
    workers = int(max(1, min(by_cores, (cores.memory() - PROCESS) / each)))
    if workers < by_cores:
        console.say(
            f"Memory for {workers} of {by_cores} worker processes, of {each / 1e9:.1f} GB each; "
            "engine.workers=… sets another number.",
            once=True,
        )
    return workers


def _batch(job: Job) -> int:
    return max(job.cfg.teacher.batch_size, job.cfg.distill.batch_size)


def _report(outcomes: list[Outcome], console: Console) -> None:
    """Show stopped seeds; raise an error that names the failed seeds, if any."""
    failed = {outcome.seed: outcome.failure for outcome in outcomes if outcome.failure}
    if stopped := sorted(seed for seed, failure in failed.items() if failure == BY_ITS_USER):
        seeds = ", ".join(str(seed) for seed in stopped)
        console.say(f"Stopped by their user: seeds {seeds}; the same command resumes them.")
    if failed:
        reasons = "; ".join(sorted({str(reason) for reason in failed.values()}))
        seeds = ", ".join(str(seed) for seed in sorted(failed))
        raise RunsFailed(f"failed seeds: {seeds} ({reasons}); see failure.txt in their folders")
