"""Worker processes of this machine: they train stacks side by side, and serve job after job.

Each worker has pipes of its own to this process. No lock or semaphore is shared, so a worker that
is killed at any moment leaves nothing behind that the others would wait for.
"""

import multiprocessing
import os
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

from subliminal import store
from subliminal.config import terminal
from subliminal.config.build import PLUGINS
from subliminal.state.callbacks.progress import Event
from subliminal.sweep import signals
from subliminal.sweep.console import Console
from subliminal.training.job import Job
from subliminal.training.runner import Outcome, run_stack

Stack = tuple[int, ...]


@dataclass(eq=False)
class _Worker:
    process: BaseProcess
    tasks: Connection  # sends jobs and stacks; receives progress and outcomes
    stop: Connection  # carries no data: closing it stops the training


# Workers keep their imports and the data set from job to job.
_pool: list[_Worker] = []


def side_by_side(
    job: Job, waiting: deque[Stack], workers: int, report: Callable[[Event], None], console: Console
) -> Iterator[list[Outcome]]:
    """Train a job's stacks in worker processes; yield the outcomes of each stack as it ends.

    If no worker can be started, the stacks that are not trained stay in `waiting`. A stack whose
    worker is killed is retried once from its checkpoints, alone and after the others: the cause may
    be a lack of memory, which must not kill the other workers too.

    There are at most `workers` processes. The console shows a line when one is killed or cannot be
    started.

    Raises:
        KeyboardInterrupt: the user stopped the job.
    """
    # Workers may be older than this command: it sends what paths are relative to, and its plug-ins.
    here = Path.cwd(), os.environ.get(PLUGINS, "")
    retries, retried = deque[Stack](), set[Stack]()
    busy: dict[Connection, tuple[_Worker, Stack]] = {}
    try:
        while waiting or retries or busy:
            if not waiting and not busy:
                retried.add(retries[0])
                waiting.append(retries.popleft())
            if signals.stop_requested():
                raise KeyboardInterrupt
            while waiting and len(busy) < workers and (worker := _idle_worker(busy, console)):
                with suppress(OSError):  # it was killed just now: another takes the stack
                    worker.tasks.send((job, waiting[0], *here))
                    busy[worker.tasks] = worker, waiting.popleft()
            if not busy:  # no worker can be started
                waiting.extend(retries)
                return
            ready = wait(list(busy))
            for tasks in [tasks for tasks in busy if tasks in ready]:
                worker, stack = busy[tasks]
                try:
                    message = tasks.recv()
                except (EOFError, OSError):  # the worker is gone
                    message = None
                if isinstance(message, Event):
                    report(message)
                    continue
                del busy[tasks]
                if isinstance(message, Exception):
                    raise message
                if message is not None:
                    yield message
                    continue
                reason = _remove(worker)
                if stack in retried:
                    yield [_record_failure(job, seed, reason) for seed in stack]
                    continue
                retries.append(stack)
                seeds = ", ".join(map(str, stack))
                console.say(f"Seeds {seeds}: {reason}; tried again after the others.")
    except BaseException:
        stop_workers()
        raise


def stop_workers() -> None:
    """Stop all workers and wait until they have ended."""
    for worker in _pool:
        worker.stop.close()
        worker.tasks.close()
    while _pool:
        _pool[-1].process.join()
        _pool.pop()


# At exit, multiprocessing waits for its processes. Workers end when their pipes are closed, so
# this has to run first.
Finalize(None, stop_workers, exitpriority=1)


def _idle_worker(busy: Iterable[Connection], console: Console) -> _Worker | None:
    """Return a worker without a task, a new one if need be; None if none can be started."""
    for worker in [worker for worker in _pool if worker.tasks not in busy]:
        if worker.process.is_alive():
            return worker
        _remove(worker)
    try:
        with signals.stops_held():  # a worker outside the pool would not be waited for
            _pool.append(_start_worker())
    except (OSError, EOFError) as error:
        reason = f"{error}" or "the fork server is gone"
        others = f"the other {len(_pool)} train" if _pool else "this process trains alone"
        console.say(f"A worker process cannot be started ({reason}); {others}.", once=True)
        return None
    return _pool[-1]


def _remove(worker: _Worker) -> str:
    """Remove a worker that was killed from the pool; return what killed it."""
    _pool.remove(worker)
    worker.stop.close()
    worker.tasks.close()
    worker.process.join()
    code = worker.process.exitcode or 0
    how = signal.Signals(-code).name if -code in set(signal.Signals) else f"status {code}"
    return f"a worker process was killed ({how})"


def _record_failure(job: Job, seed: int, reason: str) -> Outcome:
    """Write the reason into the seed's folder, as a failing training would."""
    directory = job.run_dir(seed)
    directory.mkdir(parents=True, exist_ok=True)
    if not store.finished(directory):
        store.write_text(directory / store.FAILURE, f"{reason}\n")
    return Outcome(seed, reason)


def _start_worker() -> _Worker:
    context = _process_context()
    ours, theirs = context.Pipe()
    watched, stop = context.Pipe(duplex=False)
    with theirs, watched:
        process = context.Process(target=_serve, args=(theirs, watched))
        process.start()
    return _Worker(process, ours, stop)


def _process_context() -> Any:
    """Return multiprocessing's context: workers share their imports where the platform can fork."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    if multiprocessing.get_start_method(allow_none=True) == "loky":
        # Inside joblib the default start method is joblib's own, which workers cannot import.
        multiprocessing.set_start_method("forkserver", force=True)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["subliminal.training.runner"])
    # The fork server inherits blocked stop signals. Ctrl-C reaches it too, and would end it during
    # its imports, before this process could stop the workers itself.
    resource_tracker.ensure_running()  # its start unblocks them
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals.STOPS)
    try:
        # Slurm sends one of these to every process of a job before the job's time-out.
        with signals.handlers(dict.fromkeys((signal.SIGUSR1, signal.SIGUSR2), signal.SIG_IGN)):
            forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return context


def _serve(tasks: Connection, stop: Connection) -> None:
    """Train the stacks that arrive until the pipe is closed. This runs in the worker."""
    # Ctrl-C reaches the whole process group. The parent decides, and stops the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):  # the fork server blocks them
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals.STOPS)
    terminal.settle()  # output of a plug-in must not end a training
    stopped = threading.Event()
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel, stop])
        stopped.set()
        wait([parent.sentinel])
        os._exit(1)

    def report(event: Event) -> None:
        with suppress(OSError):  # the parent has closed the pipe
            tasks.send(event)

    threading.Thread(target=watch, daemon=True).start()
    job: Any = None  # the Job before
    with suppress(EOFError, OSError):
        while True:
            received, stack, folder, os.environ[PLUGINS] = tasks.recv()
            # An equal job is kept: its objects are built already.
            job = job if job == received else received
            ended: list[Outcome] | Exception
            try:
                os.chdir(folder)
                ended = run_stack(job, stack, report=report, stop=stopped.is_set)
            except Exception as error:
                error.add_note(traceback.format_exc())
                ended = error
            tasks.send(ended)
