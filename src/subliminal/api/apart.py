"""A command in a process of its own, for the Python program or notebook that calls it.

Training sets torch's threads and determinism, Hydra the log; a caller may have set a default type
or device, or started Hydra himself. Apart, neither changes the other's numbers.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from subliminal.api.notebook import progress
from subliminal.errors import RunsFailed, UserError
from subliminal.sweep import plan

if TYPE_CHECKING:
    from subliminal.sweep.console import Told

Command = Callable[[list[str], "Callable[[Told], None] | None"], list[Path]]


@dataclass(frozen=True)
class _Ended:
    """What a command returned or raised."""

    runs: list[Path]
    error: BaseException | None = None


def in_own_process(command: Command, argv: list[str], *, quiet: bool) -> list[Path]:
    """Return what a command returns there.

    Args:
        command: a module's function; it is called with `argv` and with what hears of its progress.
        argv: its words.
        quiet: let it tell nothing on standard error either.

    Raises:
        UserError: the command did; or its process was killed (RunsFailed).
        KeyboardInterrupt: this process was interrupted, or the command was, which then has stopped
            as Ctrl-C stops it.
    """
    hear = None if quiet else progress()
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(command, argv, theirs, hear is not None, quiet))
    with theirs, _no_main():
        process.start()
    try:
        ended = _ended(ours, hear)
    except BaseException:
        if process.pid is not None:
            os.kill(process.pid, signal.SIGINT)
        raise
    finally:
        wait([process.sentinel])
        process.join()
        ours.close()
    if ended is None:
        code = process.exitcode or 0
        raise RunsFailed(
            f"the process that trained was killed (status {code}); the same call resumes"
        )
    if ended.error is not None:
        raise ended.error
    return ended.runs


def _ended(pipe: Connection, hear: Callable[[Told], None] | None) -> _Ended | None:
    """Wait for the command's end, and show its progress; None: it is gone without a word."""
    while True:
        wait([pipe])  # a read alone Ctrl-C would not end: Polars' handler restarts it
        try:
            told: Told | _Ended = pipe.recv()
        except (EOFError, OSError):
            return None
        if isinstance(told, _Ended):
            return told
        if hear is not None:
            hear(told)


@contextmanager
def _no_main() -> Iterator[None]:
    """Let a process that is started import no script: the caller's would call us once more."""
    ours = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = ours


def _run(command: Command, argv: list[str], pipe: Connection, telling: bool, quiet: bool) -> None:
    """Run the command. This is the side of its own process."""
    if hasattr(os, "setsid"):  # Ctrl-C reaches the caller alone, who passes it on
        os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_stop_when_alone, daemon=True).start()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2) if quiet else (1,):  # tables: the caller gets their numbers
        os.dup2(nowhere, stream)

    def tell(told: Told | _Ended) -> None:
        with suppress(OSError):  # the caller is gone
            pipe.send(told)

    try:
        ended = _Ended([run.absolute() for run in command(argv, tell if telling else None)])
    except UserError as error:
        error.__notes__ = plan.failures(plan.PLAN)
        ended = _Ended([], error)
    except BaseException as error:
        ended = _Ended([], _sendable(error))
    tell(ended)


def _stop_when_alone() -> None:
    """Stop as by Ctrl-C when the caller is gone."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGINT)


def _sendable(error: BaseException) -> BaseException:
    """Return an error that another process can take, with the traceback of this one."""
    if isinstance(error, KeyboardInterrupt):
        return error
    text = traceback.format_exc()
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        error = RuntimeError(f"{type(error).__name__}: {error}")
    error.add_note(text)
    return error
