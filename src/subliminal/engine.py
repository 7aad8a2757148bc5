"""A job: the seeds of one condition, spread over stacks and worker processes."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import replace
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import wait
from multiprocessing.synchronize import Event as StopEvent
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from subliminal import cores, signals, store
from subliminal.callbacks.progress import Event
from subliminal.console import Console, JobProgress
from subliminal.errors import RunsFailed, UserError
from subliminal.experiment import Experiment, build_experiment
from subliminal.runner import STOPPED, Job, Outcome, run_stack
from subliminal.seeds import parse

WAIT = 0.5  # seconds between two looks at runs that another process has
LONGEST_NAME = 110  # characters; with the hash it is a W&B group, which holds 128

# The worker processes' side of a job, set once per process.
_worker: dict[str, Any] = {}


def run_job(cfg: DictConfig, condition: str, console: Console) -> list[Path]:
    """Train the seeds of one condition that are not yet finished.

    A seed that another process is training is left to it, and waited for at the end.

    Args:
        cfg: the composed config (see `subliminal.config.Config`).
        condition: readable name of the condition, for its folder and tracker group.
        console: shows progress and lines to the user.

    Returns:
        The run directories, in order of the seed set; those of failed seeds are left out.

    Raises:
        UserError: bad input, before any training starts; or some seeds failed, which are named.
        KeyboardInterrupt: the user stopped the job; finished seeds are kept.
    """
    experiment = build_experiment(cfg)
    seeds = parse(cfg.seed.spec)
    device = experiment.device.type
    directory, condition = condition_dir(cfg, device, condition)
    found = {seed: store.examine(store.run_dir(directory, seed)) for seed in seeds}
    todo = [seed for seed in seeds if cfg.force or found[seed] != "finished"]
    for seed in set(seeds) - set(todo):  # left where a kill came between marker and removal
        store.drop_checkpoint(store.run_dir(directory, seed))
    if damaged := [str(seed) for seed in seeds if found[seed] == "damaged"]:
        console.say(
            f"Damaged and trained again: seeds {', '.join(damaged)} "
            f"(their files are not those that their {store.MARKER} names)."
        )
    if len(todo) < len(seeds):
        console.say(
            f"{len(seeds) - len(todo)} of {len(seeds)} seeds are finished already and kept "
            "(force=true trains them again)."
        )
    if todo:
        config = resolved(cfg)
        record(config, directory, condition, seeds)
        experiment.fetch()
        if experiment.tracker is not None:
            override, line = experiment.tracker.resolve(directory.parent)
            config["tracker"] = {**config["tracker"], **override}
            if line:
                console.say(line)
        job = Job(config, condition, directory, force=cfg.force)
        with signals.termination_is_ctrl_c():
            outcomes = _run(job, todo, cfg, experiment, console)
        _tell(outcomes, console)
    return [store.run_dir(directory, seed) for seed in seeds]


def resolved(cfg: DictConfig) -> dict[str, Any]:
    """Return a composed config as plain values."""
    container = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}


def record(config: dict[str, Any], directory: Path, condition: str, seeds: Sequence[int]) -> None:
    """Note in the condition's folder what is asked for; a report can then tell what is missing.

    Raises:
        UserError: the outputs folder cannot be written.
    """
    try:
        store.record_condition(directory, condition, seeds, config)
    except OSError as error:
        raise UserError(
            f"outputs={config['outputs']}: cannot be written ({error.strerror}); "
            "choose another folder with outputs=…"
        ) from error


def _run(
    job: Job, todo: list[int], cfg: DictConfig, experiment: Experiment, console: Console
) -> list[Outcome]:
    outcomes: list[Outcome] = []
    told = False
    with console.progress(job.condition, len(todo)) as progress:
        while todo:
            free = [s for s in todo if store.state(store.run_dir(job.directory, s)) != "running"]
            ended = _train(job, free, cfg, experiment, progress) if free else []
            outcomes += ended
            done = {outcome.seed for outcome in ended}
            todo = [seed for seed in todo if seed not in done]
            if todo and not told:
                busy = ", ".join(str(seed) for seed in todo)
                console.say(f"Another process trains seeds {busy}; waiting for it.")
                told = True
            if todo:
                time.sleep(WAIT)
            job = replace(job, force=False)  # what others finished by now is as new as can be
        return outcomes


def _train(
    job: Job, todo: list[int], cfg: DictConfig, experiment: Experiment, progress: JobProgress
) -> list[Outcome]:
    """Train what no other process has; return how it ended."""
    size = cfg.engine.seeds_at_once or _stack_size(experiment, len(todo))
    stacks = [tuple(todo[start : start + size]) for start in range(0, len(todo), size)]
    workers = 1
    if experiment.device.type == "cpu":
        workers = cfg.engine.workers or max(1, cores.granted() // cfg.engine.threads)
    outcomes: list[Outcome] = []
    for stack in _outcomes(job, stacks, min(workers, len(stacks)), progress.report):
        ended = [outcome for outcome in stack if not outcome.busy]
        outcomes += ended
        progress.seeds_done(len(ended))
    return outcomes


def _outcomes(
    job: Job, stacks: list[tuple[int, ...]], workers: int, report: Callable[[Event], None]
) -> Iterator[list[Outcome]]:
    """Yield the outcomes of each stack as it ends."""
    if workers == 1:
        for stack in stacks:
            ended = run_stack(job, stack, report=report, stop=lambda: False)
            yield ended
            if any(outcome.failure == STOPPED for outcome in ended):
                raise KeyboardInterrupt
        return
    context = _context()
    events = context.SimpleQueue()
    stop = context.Event()
    over = threading.Event()
    relay = threading.Thread(target=_relay, args=(events, report, over), daemon=True)
    relay.start()
    with ProcessPoolExecutor(
        workers, context, initializer=_start_worker, initargs=(job, events, stop)
    ) as pool:
        try:
            with signals.stops_held():  # workers that are half born would not be waited for
                futures = {pool.submit(_run_in_worker, stack): stack for stack in stacks}
            for future in as_completed(futures):
                try:
                    yield future.result()
                except BrokenProcessPool:  # out of memory, say: no worker is left to go on
                    reason = "a worker process was killed"
                    for seed in futures[future]:
                        directory = store.run_dir(job.directory, seed)
                        directory.mkdir(parents=True, exist_ok=True)
                        if not store.finished(directory):
                            store.write_text(directory / store.FAILURE, reason + "\n")
                    yield [Outcome(seed, reason) for seed in futures[future]]
        except BaseException:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
        finally:
            over.set()
            relay.join(timeout=5)  # it may wait for the rest of what a killed worker was sending


def _context() -> Any:
    """Return a context whose workers share their imports where the platform can fork."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    if multiprocessing.get_start_method(allow_none=True) == "loky":
        # Inside joblib: its own default, which our workers would ask for and not find.
        multiprocessing.set_start_method("forkserver", force=True)
    context = multiprocessing.get_context("forkserver")
    # The optimizers import torch._dynamo when first used: a second that workers can share too.
    context.set_forkserver_preload(["subliminal.runner", "torch._dynamo"])
    # The server of forks keeps these blocked: a stop that hit it too, as it imports, would end it
    # under this process, which is to end the workers itself.
    resource_tracker.ensure_running()  # as it starts it unblocks them
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals.STOPS)
    try:
        with signals.deaf_to_warnings():
            forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return context


def _start_worker(job: Job, events: Any, stop: StopEvent) -> None:
    # Ctrl-C reaches the whole process group; the parent decides, and tells the workers to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):  # blocked by the server of forks
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals.STOPS)
    _worker.update(job=job, events=events, stop=stop)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end_with_parent() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()


def _run_in_worker(stack: tuple[int, ...]) -> list[Outcome]:
    job = _worker["job"]
    return run_stack(job, stack, report=_worker["events"].put, stop=_worker["stop"].is_set)


def _relay(events: Any, report: Callable[[Event], None], ended: threading.Event) -> None:
    # No end mark in the queue: a worker that is killed as it writes keeps the queue's lock.
    while not (ended.is_set() and events.empty()):
        if events.empty():
            ended.wait(0.05)
        else:
            report(events.get())


def condition_dir(cfg: DictConfig, device: str, condition: str) -> tuple[Path, str]:
    """Return the condition's folder and name: those of the same content that exist, else new."""
    root = Path(cfg.outputs) / str(cfg.name)
    digest = store.condition_hash(cfg, device)
    same = sorted(root.glob(f"*-{digest}"))
    if same:
        with suppress(ValueError):  # damaged: this job records it anew
            condition = store.read_condition(same[0]).get("condition", condition)
        return same[0], condition
    return root / f"{condition[:LONGEST_NAME]}-{digest}", condition


def _stack_size(experiment: Experiment, seeds: int) -> int:
    """Return how many seeds to train side by side.

    On a CPU a stack gains nothing per seed (memory traffic eats it): one seed per process. On a
    GPU the seeds' noise images dominate the memory; all that fit in half of what is free.
    """
    if experiment.device.type == "cpu":
        return 1
    per_seed = 4 * (experiment.inputs.size * experiment.network.pixels)
    per_seed += 4 * 16 * experiment.network.layout.size  # weights, gradients, optimizer
    if experiment.device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(experiment.device)
    else:
        free = torch.mps.recommended_max_memory()
    return max(1, min(seeds, int(free / 2 / per_seed)))


def _tell(outcomes: list[Outcome], console: Console) -> None:
    for note in sorted({note for outcome in outcomes for note in outcome.notes}):
        console.say(note)
    failed = {outcome.seed: outcome.failure for outcome in outcomes if outcome.failure}
    if failed:
        reasons = "; ".join(sorted({str(reason) for reason in failed.values()}))
        seeds = ", ".join(str(seed) for seed in sorted(failed))
        raise RunsFailed(f"failed seeds: {seeds} ({reasons}); see failure.txt in their folders")
