"""One call in a process of its own, for a bounded time: W&B's client may wait for its server."""

from __future__ import annotations

import importlib
import os
import pickle
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from subliminal.errors import UserError
from subliminal.trackers.following import environment

START = 15.0  # seconds in which a process should have begun on a busy machine


class Failed(UserError):
    """The call raised, or took too long; one line says which."""


def call(
    function: str, *arguments: Any, seconds: float, extra: Mapping[str, str] | None = None
) -> Any:
    """Return what a function returns in a process of its own.

    Args:
        function: `package.module:name`.
        arguments: of the function; they and the result are pickled.
        seconds: the most that it may take, once it has begun.
        extra: variables of the process's environment.

    Raises:
        Failed: there is no result.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", "subliminal.trackers.aside"],
            input=pickle.dumps((function, arguments)),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment() | dict(extra or {}),
            timeout=START + seconds,
            check=False,
        )
        good, result = pickle.loads(done.stdout)
    except subprocess.TimeoutExpired as error:
        raise Failed(f"no end within {seconds:g} seconds") from error
    except (EOFError, pickle.UnpicklingError) as error:
        raise Failed("its process ended by itself") from error
    if not good:
        raise Failed(result)
    return result


def main() -> None:
    """Make the call that standard input asks for; put the result on standard output."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what W&B's client prints is no result
    function, arguments = pickle.load(sys.stdin.buffer)
    module, _, name = function.partition(":")
    try:
        result = (True, getattr(importlib.import_module(module), name)(*arguments))
    except Exception as error:
        result = (False, (str(error).splitlines() or [type(error).__name__])[0])
    answers.write(pickle.dumps(result))
    answers.close()
    os._exit(0)  # W&B's client would wait at exit for what the server does not take


if __name__ == "__main__":
    main()
