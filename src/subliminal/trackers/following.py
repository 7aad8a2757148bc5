"""The command's side of the process that follows its runs (`subliminal.trackers.follower`).

A process has at most one. It begins with the first tracked job, and what it still has to tell W&B
it tells while the next job trains: only at the end of all is it waited for, and not for long.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from subliminal.trackers import note

GRACE = 1.0  # seconds beyond the bound that it has, for its answer
LAST = 2.0  # seconds after Ctrl-C: Ctrl-C ends everything within five

_process: subprocess.Popen[str] | None = None
_bound = 20.0  # seconds, see `tracker.finish_timeout`
_depth = 0  # of `followed`
_experiments: set[str] = set()  # whose runs are followed

# Names of one run, which W&B's client would give to every run that it opens.
_OF_ONE_RUN = (
    *("WANDB_MODE", "WANDB_RUN_ID", "WANDB_NAME", "WANDB_RUN_GROUP", "WANDB_RESUME"),
    *("WANDB_SWEEP_ID", "WANDB_SWEEP_PARAM_PATH"),  # an agent's: its run is another
)


def environment() -> dict[str, str]:
    """Return the environment of a process in which W&B's client opens runs that we name."""
    return {name: value for name, value in os.environ.items() if name not in _OF_ONE_RUN}


def follow(
    runs: Sequence[Path],
    ended: Sequence[Path],
    seconds: float,
    *,
    online: bool,
    upload: bool = False,
    at_once: int = 64,
) -> None:
    """Let runs be followed.

    Args:
        runs: the directories of those that are about to be trained.
        ended: of those that have ended, and are told as they are.
        seconds: the most to wait for W&B at the end.
        online: whether W&B's server is to be asked.
        upload: online or not at all, whatever mode the runs had.
        at_once: how many are told at the same time, at most.
    """
    global _process, _bound
    _bound = seconds
    _experiments.update(str(run.parents[1]) for run in [*runs, *ended])
    if _process is None or _process.poll() is not None:
        _process = subprocess.Popen(
            [sys.executable, "-m", "subliminal.trackers.follower"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(),
            text=True,
            start_new_session=True,  # Ctrl-C is for us to hear
        )
    _order(
        {
            "runs": {str(run): old.session if (old := note.read(run)) else None for run in runs},
            "ended": [str(run) for run in ended],
            "command": note.command(),
            "timeout": seconds / 2,  # then there is time to keep the run offline
            "online": online,
            "upload": upload,
            "at_once": at_once,
        }
    )


@contextmanager
def followed() -> Iterator[None]:
    """Wait, as the outermost of such blocks ends, for what W&B is still to be told; tell the user.

    After Ctrl-C hardly at all: what is missing is told when the runs are resumed.
    """
    global _depth
    _depth += 1
    try:
        yield
    except BaseException as error:
        _depth -= 1
        _outermost(LAST if isinstance(error, KeyboardInterrupt) else _bound)
        raise
    _depth -= 1
    _outermost(_bound)


def _outermost(seconds: float) -> None:
    if _depth > 0:
        return
    try:
        answer = end(seconds)
    except KeyboardInterrupt:
        where = " ".join(sorted(_experiments))
        rest = f"W&B is not waited for; give it the rest with: python -m subliminal.sync {where}"
        print(rest, file=sys.stderr)
        raise
    if answer is not None and (line := missing(answer)):
        print(line, file=sys.stderr)


def end(seconds: float, *, patient: bool = False) -> dict[str, Any] | None:
    """End the process that follows; return what it tells of its runs, None if there is none.

    Args:
        seconds: the most that it may take; with `patient`, for each run.
        patient: wait for as long as runs get through.
    """
    global _process
    process, _process = _process, None
    if process is None:
        return None
    with process:
        try:
            _order({"end": seconds, "patient": patient}, process)
            deadline = time.monotonic() + seconds + GRACE
            # In short waits: a long one does not notice Ctrl-C once polars was imported.
            while process.poll() is None and (patient or time.monotonic() < deadline):
                time.sleep(0.02)
        finally:
            process.kill()
        assert process.stdout is not None
        with suppress(ValueError):
            answer: dict[str, Any] = json.loads(process.stdout.read())
            return answer
    died = {"reason": "its process ended by itself", "experiments": sorted(_experiments)}
    return {"kept": "some", "runs": "the", **died}


def missing(answer: dict[str, Any]) -> str | None:
    """Return the line that tells what W&B does not have, and how it gets it; None if it has all."""
    if not answer["kept"]:
        return None
    where = " ".join(answer["experiments"])
    return (
        f"W&B does not have all of {answer['kept']} of {answer['runs']} runs "
        f"({answer['reason']}); upload them with: python -m subliminal.sync {where}"
    )


def _order(order: dict[str, Any], process: subprocess.Popen[str] | None = None) -> None:
    process = process or _process
    assert process is not None
    assert process.stdin is not None
    with suppress(OSError):  # it is gone: at the end it gives no answer, which is told
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
