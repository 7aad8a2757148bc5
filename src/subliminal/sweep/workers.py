"""Worker processes of this machine: they train stacks side by side, and serve job after job.

They speak with this process through pipes of their own. No lock or semaphore is shared, so that a
worker that is killed, whatever it was at, leaves nothing that the others would wait for.
"""

import multiprocessing
import os
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
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
from subliminal.state.callbacks.progress import Event
from subliminal.sweep import signals
from subliminal.sweep.console import Console
from subliminal.training.job import Job
from subliminal.training.runner import STOPPED, Outcome, run_stack

Stack = tuple[int, ...]


@dataclass(eq=False)
class _Worker:
    process: BaseProcess
    tasks: Connection  # jobs and stacks there; progress and outcomes back
    stop: Connection  # nothing is sent: when it is closed, the training stops


# Workers keep their imports and the digits from job to job.
_pool: list[_Worker] = []


def side_by_side(
    job: Job,
    stacks: Sequence[Stack],
    workers: int,
    report: Callable[[Event], None],
    console: Console,
) -> Iterator[list[Outcome]]:
    """Yield the outcomes of each stack as it ends.

    A stack whose worker is killed is tried once more from its checkpoints, alone and after the
    others: what killed it may be a lack of memory, and must not take them along.

    Args:
        job: the condition.
        stacks: its seeds.
        workers: processes, at most; one alone is this process.
        report: called with the progress.
        console: tells the user when workers are killed or cannot be started.

    Raises:
        KeyboardInterrupt: the user stopped the job.
    """
    waiting, again = deque(stacks), deque[Stack]()
    here = Path.cwd()  # relative paths are of the command
    retried: set[Stack] = set()
    busy: dict[Connection, tuple[_Worker, Stack]] = {}
    try:
        while workers > 1 and (waiting or again or busy):
            if not waiting and not busy:
                retried.add(again[0])
                waiting.append(again.popleft())
            if signals.stop_requested():
                raise KeyboardInterrupt
            while waiting and len(busy) < workers and (worker := _free(busy, console)):
                with suppress(OSError):  # killed just now: another takes the stack
                    worker.tasks.send((job, waiting[0], here))
                    busy[worker.tasks] = worker, waiting.popleft()
            if not busy:
                break  # no worker can be started
            ready = wait(list(busy))
            for tasks in [tasks for tasks in busy if tasks in ready]:
                worker, stack = busy[tasks]
                heard = _heard(tasks)
                if isinstance(heard, Event):
                    report(heard)
                    continue
                del busy[tasks]
                if isinstance(heard, Exception):
                    raise heard
                if heard is not None:
                    yield heard
                    continue
                reason = _gone(worker)
                if stack in retried:
                    yield [_failed(job, seed, reason) for seed in stack]
                    continue
                again.append(stack)
                seeds = ", ".join(map(str, stack))
                console.say(f"Seeds {seeds}: {reason}; tried again after the others.")
    except BaseException:
        end()
        raise
    for stack in (*waiting, *again):  # in this process
        ended = run_stack(job, stack, report=report, stop=signals.stop_requested)
        yield ended
        if signals.stop_requested() or any(outcome.failure == STOPPED for outcome in ended):
            raise KeyboardInterrupt


def end() -> None:
    """Let the workers stop, and wait for them."""
    for worker in _pool:
        worker.stop.close()
        worker.tasks.close()
    while _pool:
        _pool[-1].process.join()
        _pool.pop()


# As this process ends, before multiprocessing waits for its processes, which wait for their tasks.
Finalize(None, end, exitpriority=1)


def _free(busy: Iterable[Connection], console: Console) -> _Worker | None:
    """Return a worker that has nothing to do; None where no other can be started."""
    for worker in [worker for worker in _pool if worker.tasks not in busy]:
        if worker.process.is_alive():
            return worker
        _gone(worker)
    try:
        with signals.stops_held():  # a worker that is half born would not be waited for
            _pool.append(_started())
    except (OSError, EOFError) as error:
        reason = f"{error}" or "the server of forks is gone"
        advice = "; a shorter TMPDIR mends that" if "AF_UNIX path" in reason else ""
        who = f"the other {len(_pool)} train" if _pool else "this process trains alone"
        console.say(f"A worker process cannot be started ({reason}{advice}); {who}.", once=True)
        return None
    return _pool[-1]


def _heard(tasks: Connection) -> Event | list[Outcome] | Exception | None:
    """Return what a worker sends; None when it is gone."""
    try:
        heard: Event | list[Outcome] | Exception = tasks.recv()
    except (EOFError, OSError):
        return None
    return heard


def _gone(worker: _Worker) -> str:
    """Take leave of a worker that is gone; return what it died of."""
    _pool.remove(worker)
    worker.stop.close()
    worker.tasks.close()
    worker.process.join()
    code = worker.process.exitcode or 0
    how = signal.Signals(-code).name if -code in set(signal.Signals) else f"status {code}"
    return f"a worker process was killed ({how})"


def _failed(job: Job, seed: int, reason: str) -> Outcome:
    """Note in a seed's folder that its worker is gone, again."""
    directory = job.run_dir(seed)
    directory.mkdir(parents=True, exist_ok=True)
    if not store.finished(directory):
        store.write_text(directory / store.FAILURE, f"{reason}\n")
    return Outcome(seed, reason)


def _started() -> _Worker:
    context = _context()
    ours, theirs = context.Pipe()
    held, stop = context.Pipe(duplex=False)
    with theirs, held:
        process = context.Process(target=_serve, args=(theirs, held))
        process.start()
    return _Worker(process, ours, stop)


def _context() -> Any:
    """Return a context whose workers share their imports where the platform can fork."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    if multiprocessing.get_start_method(allow_none=True) == "loky":
        # Inside joblib: its own default, which our workers would ask for and not find.
        multiprocessing.set_start_method("forkserver", force=True)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["subliminal.training.runner"])
    # The server of forks keeps these blocked: a stop that hit it too, as it imports, would end it
    # under this process, which is to end the workers itself.
    resource_tracker.ensure_running()  # as it starts it unblocks them
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals.STOPS)
    try:
        with signals.ignore_usr_signals():
            forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return context


def _serve(tasks: Connection, stop: Connection) -> None:
    """Train what comes, until the pipe is closed. This is the worker's side."""
    # Ctrl-C reaches the whole process group; the parent decides, and tells the workers to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):  # blocked by the server of forks
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals.STOPS)
    terminal.settle()  # what a plug-in prints may not end a training
    stopped = threading.Event()
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel, stop])
        stopped.set()
        wait([parent.sentinel])
        os._exit(1)

    def report(event: Event) -> None:
        with suppress(OSError):  # the parent no longer listens
            tasks.send(event)

    threading.Thread(target=watch, daemon=True).start()
    job: Job | None = None
    with suppress(EOFError, OSError):
        while True:
            given, stack, here = tasks.recv()
            if job != given:  # else the one that is there has built its objects
                job = given
            assert job is not None
            ended: list[Outcome] | Exception
            try:
                os.chdir(here)  # an earlier command's may have been another
                ended = run_stack(job, stack, report=report, stop=stopped.is_set)
            except Exception as error:
                error.add_note(traceback.format_exc())
                ended = error
            tasks.send(ended)
