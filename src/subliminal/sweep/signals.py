"""Signals that stop a command: Ctrl-C, and SIGTERM from a scheduler or `kill`."""

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

STOPS = {signal.SIGINT, signal.SIGTERM}

_stop_received = False  # since the outermost `stoppable` began


def stop_requested() -> bool:
    """Return whether a stop signal came, even if its KeyboardInterrupt was lost."""
    return _stop_received


def _stop(number: int = 0, frame: FrameType | None = None) -> NoReturn:
    global _stop_received
    _stop_received = True
    raise KeyboardInterrupt


@contextmanager
def stoppable() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM raise KeyboardInterrupt in a block.

    The exception may get lost: a library may raise another error in its place (OmegaConf does,
    while it makes a config), and Python drops exceptions of finalizers. So any error of the block
    after a stop signal counts as the stop, and long work checks `stop_requested` before each part.

    Raises:
        KeyboardInterrupt: a stop signal came, and the block failed.
    """
    global _stop_received
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # A shell's background and nohup ignore Ctrl-C; it stays ignored.
    numbers = [n for n in STOPS if n == signal.SIGTERM or signal.getsignal(n) != signal.SIG_IGN]
    outermost = signal.getsignal(signal.SIGTERM) is not _stop
    if outermost:
        _stop_received = False
    try:
        with handlers(dict.fromkeys(numbers, _stop)):
            yield
    except (Exception, SystemExit) as error:  # Hydra exits after some errors
        if _stop_received:
            raise KeyboardInterrupt from error
        raise
    finally:
        if outermost:
            _stop_received = False


@contextmanager
def stops_held() -> Iterator[None]:
    """Delay Ctrl-C and SIGTERM until a block has ended.

    Raises:
        KeyboardInterrupt: at the end of the block, if a signal came. It replaces an error of the
            block, which the same signal may have caused in a process that the block starts.
    """
    held: list[int] = []
    try:
        with handlers(dict.fromkeys(STOPS, lambda number, _: held.append(number))):
            yield
    except Exception:
        if not held:
            raise
    if held:
        _stop()


@contextmanager
def handlers(given: Mapping[signal.Signals, Any]) -> Iterator[None]:
    """Set signal handlers for a block; in the main thread alone, where Python allows it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number, handler in given.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
