"""Worker processes of this machine: they train stacks side by side, and serve job after job."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import wait
from multiprocessing.synchronize import Event as StopEvent
from typing import Any

from subliminal import store
from subliminal.callbacks.progress import Event
from subliminal.sweep import signals
from subliminal.trackers import note
from subliminal.training.runner import STOPPED, Job, Outcome, run_stack

_KILLED = "a worker process was killed"


@dataclass(frozen=True)
class _Pool:
    workers: int
    executor: ProcessPoolExecutor
    events: Any  # a queue of progress, from the workers to this process
    stop: StopEvent


# A process has at most one: workers keep their imports and the digits from job to job.
_pool: _Pool | None = None
# The worker's side, set once per process, and its last job.
_worker: dict[str, Any] = {}


def side_by_side(
    job: Job, stacks: Sequence[tuple[int, ...]], workers: int, report: Callable[[Event], None]
) -> Iterator[list[Outcome]]:
    """Yield the outcomes of each stack as it ends.

    Args:
        job: the condition.
        stacks: its seeds.
        workers: processes, at most; one alone is this process.
        report: called with the progress.

    Raises:
        KeyboardInterrupt: the user stopped the job.
    """
    if workers <= 1:
        for stack in stacks:
            ended = run_stack(job, stack, report=report, stop=lambda: False)
            yield ended
            if any(outcome.failure == STOPPED for outcome in ended):
                raise KeyboardInterrupt
        return
    pool = _started(workers)
    over = threading.Event()
    relay = threading.Thread(target=_relay, args=(pool.events, report, over), daemon=True)
    relay.start()
    try:
        with signals.stops_held():  # workers that are half born would not be waited for
            futures = {pool.executor.submit(_run_in_worker, job, stack): stack for stack in stacks}
        for future in as_completed(futures):
            try:
                yield future.result()
            except BrokenProcessPool:  # out of memory, say: no worker is left to go on
                _end()
                yield [_killed(job, seed) for seed in futures[future]]
    except BaseException:
        pool.stop.set()
        _end()
        raise
    finally:
        over.set()
        relay.join(timeout=5)  # it may wait for the rest of what a killed worker was sending


def _started(workers: int) -> _Pool:
    """Return the pool of so many workers, a new one if there is none."""
    global _pool
    if _pool is not None and _pool.workers != workers:
        _end()
    if _pool is None:
        context = _context()
        events, stop = context.SimpleQueue(), context.Event()
        executor = ProcessPoolExecutor(
            workers, context, initializer=_start_worker, initargs=(events, stop)
        )
        _pool = _Pool(workers, executor, events, stop)
    return _pool


def _end() -> None:
    """Let the workers end, and wait for them."""
    global _pool
    if _pool is not None:
        _pool.executor.shutdown(wait=True, cancel_futures=True)
        _pool = None


def _killed(job: Job, seed: int) -> Outcome:
    """Note in a seed's folder that its worker is gone."""
    directory = store.run_dir(job.directory, seed)
    directory.mkdir(parents=True, exist_ok=True)
    if not store.finished(directory):
        store.write_text(directory / store.FAILURE, _KILLED + "\n")
    return Outcome(seed, _KILLED)


def _context() -> Any:
    """Return a context whose workers share their imports where the platform can fork."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    if multiprocessing.get_start_method(allow_none=True) == "loky":
        # Inside joblib: its own default, which our workers would ask for and not find.
        multiprocessing.set_start_method("forkserver", force=True)
    context = multiprocessing.get_context("forkserver")
    # The optimizers import torch._dynamo when first used: a second that workers can share too.
    context.set_forkserver_preload(["subliminal.training.runner", "torch._dynamo"])
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


def _start_worker(events: Any, stop: StopEvent) -> None:
    # Ctrl-C reaches the whole process group; the parent decides, and tells the workers to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):  # blocked by the server of forks
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals.STOPS)
    _worker.update(events=events, stop=stop)
    parent = multiprocessing.parent_process()
    assert parent is not None
    assert parent.pid is not None
    note.serve(parent.pid)

    def end_with_parent() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()


def _run_in_worker(job: Job, stack: tuple[int, ...]) -> list[Outcome]:
    if _worker.get("job") != job:  # else the one that is there has built its objects
        _worker["job"] = job
    stop = _worker["stop"].is_set
    return run_stack(_worker["job"], stack, report=_worker["events"].put, stop=stop)


def _relay(events: Any, report: Callable[[Event], None], ended: threading.Event) -> None:
    # No end mark in the queue: a worker that is killed as it writes keeps the queue's lock.
    while not (ended.is_set() and events.empty()):
        if events.empty():
            ended.wait(0.05)
        else:
            report(events.get())
