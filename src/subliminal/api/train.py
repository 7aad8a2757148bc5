"""`sl.train`: the command line's training, started as a subprocess by a script or a notebook.

A subprocess, because training sets torch's threads and determinism and Hydra's log, none of which
may change in the caller. The command writes to the caller's standard error, or to a file that is
copied to what a notebook put there. The result comes back in a file that a variable names.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from subliminal import store
from subliminal.config.arguments import quoted
from subliminal.errors import RunsFailed, UserError

if TYPE_CHECKING:
    from subliminal.api.results import Runs

RESULT = "SUBLIMINAL_RESULT"  # environment variable: PID of the caller, and the result's file
INTERVAL = 0.05  # seconds between two looks at the other process


def train(
    *overrides: str,
    outputs: str | Path | None = None,
    config_dir: str | Path | None = None,
    quiet: bool = False,
) -> Runs:
    """Train what the overrides of a command line name, and return the finished runs.

    `sl.train("seed=0-4", "mitigation=none,liminal")` is `python -m subliminal.train -m seed=0-4
    mitigation=none,liminal`: the same checks, folders and bits. Finished runs are kept, and
    interrupted ones resumed.

    Args:
        overrides: as on the command line; commas make jobs.
        outputs: folder of the experiments; None: the config's own, by default `outputs`.
        config_dir: a folder with configs of your own, as `--config-dir` names it.
        quiet: print neither plan nor progress.

    Returns:
        The runs, in the order of the report. Runs of a search (Optuna) whose launcher uses other
        processes are missing; `sl.load` returns them.

    Raises:
        UserError: bad input, before any training.
        RunsFailed: some seeds failed; `sl.load` returns the others, which are finished. Also where
            the command was killed, or failed by an error of its own.
        KeyboardInterrupt: training was stopped; what is finished is kept.
    """
    from subliminal.api.results import load

    wrong = [word for word in overrides if not isinstance(word, str) or word.startswith("-")]
    if wrong:
        needed = "overrides are needed, one text each, such as seed=0-4; no flags, no lists"
        raise UserError(f"train: {wrong[0]}: {needed}")
    words = ["-m", *overrides]
    if config_dir is not None:
        words = ["--config-dir", str(config_dir), *words]
    if outputs is not None:
        words.append(f"outputs={quoted(str(outputs))}")
    return load(*_run_command(words, quiet=quiet))


def result_writer() -> Callable[..., None]:
    """Return a function that writes the command's result for `sl.train`; see `_run_command`.

    On a command line it does nothing. Under `sl.train` it also begins to watch the caller: when
    that process is gone, the command stops as by SIGTERM.
    """
    pid, _, file = os.environ.pop(RESULT, "").partition(" ")
    if not file:
        return lambda **result: None
    threading.Thread(target=_stop_without, args=(int(pid),), daemon=True).start()

    def write(**result: Any) -> None:
        with suppress(OSError):  # the caller is gone, and its temporary folder with it
            store.write_text(Path(file), json.dumps(result))

    return write


def _stop_without(caller: int) -> None:
    """Wait until the caller's process has ended, then stop this one."""
    while os.getppid() == caller:
        time.sleep(INTERVAL)
    os.kill(os.getpid(), signal.SIGTERM)


def _run_command(words: Sequence[str], *, quiet: bool) -> list[str]:
    """Run `python -m subliminal.train` on these words; return the folders of the finished runs.

    The command writes {"runs": […]}, or {"error": line, "notes": [line, …]}.
    """
    with tempfile.TemporaryDirectory(prefix="subliminal-") as folder:
        result, errors = Path(folder, "result.json"), Path(folder, "errors.txt")
        inherited = sys.stderr is sys.__stderr__ and not quiet  # with bars, if it is a terminal
        # -P and PYTHONPATH: the command imports from where the caller does.
        command = [sys.executable, "-P", "-m", "subliminal.train", *words]
        variables = {"PYTHONPATH": os.pathsep.join(sys.path), RESULT: f"{os.getpid()} {result}"}
        with errors.open("wb") as written, errors.open(encoding="utf-8", errors="replace") as text:
            try:
                process = subprocess.Popen(
                    command,
                    env=os.environ | variables,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,  # tables, which the caller gets as frames
                    stderr=None if inherited else written,
                    start_new_session=True,  # Ctrl-C reaches the caller alone
                )
            except OSError as error:
                raise UserError(f"training could not be started: {error}") from error
            status = _wait(process, None if quiet else text)
        if status == 130:
            raise KeyboardInterrupt
        if result.exists():
            written_result = json.loads(result.read_text(encoding="utf-8"))
            if "runs" in written_result:
                runs: list[str] = written_result["runs"]
                return runs
            failure = (RunsFailed if status == 1 else UserError)(written_result["error"])
            failure.__notes__ = written_result["notes"]
            raise failure
        lines = errors.read_text(encoding="utf-8", errors="replace").splitlines()
    if status < 0:
        raise RunsFailed(
            f"the process that trained was killed (signal {-status}); the same call resumes"
        )
    raise UserError(": ".join([f"training could not be started (status {status})", *lines[-1:]]))


def _wait(process: subprocess.Popen[bytes], text: TextIO | None) -> int:
    """Copy text to standard error until the process ends; return its exit status.

    On Ctrl-C the process is stopped, and writes its checkpoints first. Its output is not read to
    the end, which what it leaves running (a launcher's workers) may hold open. `Popen.wait` would
    ignore Ctrl-C where a library's signal handler restarts system calls.
    """
    try:
        while process.poll() is None:
            time.sleep(INTERVAL)
            _copy(text)
    except BaseException:
        process.terminate()
        process.wait()
        raise
    finally:
        _copy(text)
    return process.returncode


def _copy(text: TextIO | None) -> None:
    """Write what has been added to a file to standard error."""
    if text is not None and (added := text.read()):
        print(added, end="", file=sys.stderr, flush=True)
