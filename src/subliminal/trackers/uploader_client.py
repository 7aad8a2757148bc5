"""Start, orders and end of the uploader (`subliminal.trackers.uploader`), one for each process.

It starts with the first tracked job and uploads the rest of a job while the next one trains. Only
the end of the whole command waits for it, for a bounded time.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from subliminal.trackers.aside import environment
from subliminal.trackers.uploader import problem

GRACE = 1.0  # seconds for an answer beyond the time limit
LAST = 2.0  # time limit in seconds after Ctrl-C, which ends everything within five

_process: subprocess.Popen[str] | None = None
_limit = 20.0  # seconds, see `tracker.finish_timeout`
_depth = 0  # of nested `followed` blocks
_runs: set[Path] = set()


def follow(runs: dict[Path, int], seconds: float, *, online: bool, live: bool = True) -> None:
    """Let the uploader upload runs whenever their tracking records are written anew.

    Each run's folder comes with the time of its record that needs no upload (0: none). At the end
    of the command W&B has `seconds`. If not `online`, runs are written into offline folders. `live`
    runs are being trained, and their uploads wait for them.
    """
    global _process, _limit
    _limit = seconds
    _runs.update(runs)
    if _process is None or _process.poll() is not None:
        _process = subprocess.Popen(
            [sys.executable, "-m", "subliminal.trackers.uploader"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(),
            text=True,
            start_new_session=True,  # out of reach of Ctrl-C
        )
    named = {str(run): seen for run, seen in runs.items()}
    _send(_process, {"runs": named, "timeout": seconds / 2, "online": online, "live": live})


@contextmanager
def followed() -> Iterator[None]:
    """Wait for the uploader when the outermost of these blocks ends; print what W&B lacks.

    After Ctrl-C the wait is short: the command that resumes the runs uploads the rest.
    """
    global _depth
    _depth += 1
    seconds = None
    try:
        yield
    except KeyboardInterrupt:
        seconds = LAST
        raise
    finally:
        _depth -= 1
        if _depth == 0:
            line = problem("the", "stopped as it uploaded them", _runs)  # Ctrl-C as `end` waits
            try:
                line = end(seconds or _limit)["problem"]
            finally:
                if line:
                    print(line, file=sys.stderr)


def end(seconds: float) -> dict[str, Any]:
    """End the uploader within a time limit.

    Returns:
        How many runs are `uploaded`, and a line on the `problem` with others, or None.
    """
    global _process
    process, _process = _process, None
    if process is None:
        return {"uploaded": 0, "problem": None}
    with process:
        try:
            _send(process, {"seconds": seconds})
            # With a limit it polls: once polars is imported, one long wait does not notice Ctrl-C.
            with suppress(subprocess.TimeoutExpired):
                process.wait(seconds + GRACE)
        finally:
            process.kill()
        assert process.stdout is not None
        with suppress(ValueError):
            answer: dict[str, Any] = json.loads(process.stdout.read())
            return answer
    return {"uploaded": 0, "problem": problem("the", "the uploader ended by itself", _runs)}


def _send(process: subprocess.Popen[str], order: dict[str, Any]) -> None:
    assert process.stdin is not None
    with suppress(OSError):  # the uploader has ended: `end` then finds no answer
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
