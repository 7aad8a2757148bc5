"""Calls of W&B's client in a subprocess with a time limit, for the client waits for its server."""

import os
import pickle
import pkgutil
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from subliminal.config import terminal
from subliminal.errors import UserError

START = 15.0  # seconds for a process to start on a busy machine

# Settings of one run: W&B's client would apply them to every run that it opens.
_OF_ONE_RUN = (
    *("WANDB_MODE", "WANDB_RUN_ID", "WANDB_NAME", "WANDB_RUN_GROUP", "WANDB_RESUME"),
    *("WANDB_SWEEP_ID", "WANDB_SWEEP_PARAM_PATH"),  # of an agent's run
)


class Failed(UserError):
    """The call raised an error or exceeded its time; the message says which."""


def environment() -> dict[str, str]:
    """Return the environment without the settings that would rename our W&B runs."""
    return {name: value for name, value in os.environ.items() if name not in _OF_ONE_RUN}


def run_in_subprocess(
    function: str, *arguments: Any, seconds: float, extra: Mapping[str, str] | None = None
) -> Any:
    """Call a function in a subprocess and return its result.

    Args:
        function: `package.module:name`.
        arguments: passed to it; they and the result are pickled.
        seconds: time limit, after START for the process to start.
        extra: environment variables to add.

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


def reason(error: BaseException) -> str:
    """Return the first line of an error's message."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def main() -> None:
    """Make the call that standard input describes; write the result to standard output."""
    terminal.settle()  # a line of W&B's client that cannot be written is no failure
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # keeps the output of W&B's client out of the result
    function, arguments = pickle.load(sys.stdin.buffer)
    try:
        result = (True, pkgutil.resolve_name(function)(*arguments))
    except Exception as error:
        result = (False, reason(error))
    answers.write(pickle.dumps(result))
    answers.close()
    os._exit(0)  # at exit W&B's client would wait for uploads that the server does not accept


if __name__ == "__main__":
    main()
