"""Signals that stop a command: Ctrl-C, and SIGTERM from a scheduler or `kill`."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

STOPS = {signal.SIGINT, signal.SIGTERM}


@contextmanager
def termination_is_ctrl_c() -> Iterator[None]:
    """Treat SIGTERM (a scheduler's time-out, `kill`) as Ctrl-C: what is finished is kept."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def stops_held() -> Iterator[None]:
    """Let a block end before Ctrl-C or SIGTERM stops it.

    Raises:
        KeyboardInterrupt: as the block ends, if a signal came, also where the block failed: what
            it starts may have been hit by the same signal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    before = {n: signal.signal(n, lambda number, _: held.append(number)) for n in STOPS}
    try:
        yield
    except Exception:
        if not held:
            raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if held:
        raise KeyboardInterrupt


@contextmanager
def deaf_to_warnings() -> Iterator[None]:
    """Let processes that start here ignore SIGUSR1 and SIGUSR2, as this process will not.

    Slurm sends a job's warning before its time-out to every process of the job.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGUSR1, signal.SIGUSR2)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
