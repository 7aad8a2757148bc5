"""Signals that stop a command: Ctrl-C, and SIGTERM from a scheduler or `kill`."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

STOPS = {signal.SIGINT, signal.SIGTERM}

_came = False  # since the outermost `stoppable` began


def stop_requested() -> bool:
    """Tell whether a stop came, though what it raised may have been lost."""
    return _came


def _stop(number: int = 0, frame: FrameType | None = None) -> NoReturn:
    global _came
    _came = True
    raise KeyboardInterrupt


@contextmanager
def stoppable() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM (a scheduler's time-out, `kill`) stop a block: what is done is kept.

    A library that is hit may raise another error instead (OmegaConf, as it makes a config), and
    Python drops what is raised in a finalizer: a block's errors after a stop are taken for the
    stop, and who begins something new calls `stop_requested`.

    Raises:
        KeyboardInterrupt: a stop came, and the block failed of it.
    """
    global _came
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # Ctrl-C that is ignored, in a shell's background or under nohup, stays so.
    heard = {n for n in STOPS if n == signal.SIGTERM or signal.getsignal(n) != signal.SIG_IGN}
    before = {number: signal.signal(number, _stop) for number in heard}
    outermost = before[signal.SIGTERM] is not _stop
    if outermost:
        _came = False
    try:
        yield
    except (Exception, SystemExit) as error:  # an exit may be of what was refused after a stop
        if _came:
            raise KeyboardInterrupt from error
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if outermost:
            _came = False


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
        _stop()


@contextmanager
def ignore_usr_signals() -> Iterator[None]:
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
