"""The process that follows runs for W&B: it reads their files and tells W&B, beside the training.

The command that trains writes orders to its standard input, a line of JSON each, and gets one
line back when all is done. It waits for the server, so that nothing else has to; it ends when the
command does, however that ends. `python -m subliminal.trackers.follower` is not for users.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from subliminal.trackers import client, note
from subliminal.trackers.telling import LATE, Asked, Telling

POLL = 0.25  # seconds between two looks at runs that have not begun


@dataclass(frozen=True)
class Task:
    """A run to be followed."""

    session: str | None  # of its last note so far: the next one is meant
    command: str | None  # whose note is meant; None: of any
    ended: bool  # there is no next one: it is told as it is
    upload: bool  # online or not at all
    asked: Asked


class Follower:
    """Follows each run in a thread of its own, from its first note to its end."""

    def __init__(self) -> None:
        self._tasks: dict[Path, Task] = {}  # not begun
        self._threads: dict[Path, threading.Thread] = {}  # not ended
        self._kept: dict[Path, str] = {}  # runs that W&B does not have (all of), and why
        self._uploaded: set[Path] = set()
        self._begun = 0
        self._at_once = 1
        self._ending = threading.Event()
        self._looking = threading.Lock()

    def obey(self, order: dict[str, Any]) -> None:
        """Follow the runs of one more job."""
        asked = Asked(order["timeout"])  # of each job anew: the server may be back
        asked.begin(online=order["online"])
        with self._looking:
            self._at_once = order["at_once"]
            for run, session in order["runs"].items():
                self._tasks[Path(run)] = Task(session, order["command"], False, False, asked)
            for run in order["ended"]:
                self._tasks[Path(run)] = Task(None, None, True, order["upload"], asked)

    def watch(self) -> None:
        """Begin to follow whatever has a new note, until all is to end."""
        while not self._ending.wait(POLL):
            self._look()

    def _look(self) -> None:
        with self._looking:
            self._threads = {run: one for run, one in self._threads.items() if one.is_alive()}
            for run, task in list(self._tasks.items()):
                if len(self._threads) >= self._at_once:
                    return
                if run in self._threads or (found := note.read(run)) is None:
                    continue
                if found.session != task.session and task.command in (None, found.command):
                    del self._tasks[run]
                    self._begun += 1
                    self._threads[run] = threading.Thread(
                        target=self._follow, args=(run, task), daemon=True
                    )
                    self._threads[run].start()

    def _follow(self, run: Path, task: Task) -> None:
        self._kept[run] = LATE
        ending = (lambda: True) if task.ended else self._ending.is_set
        try:
            if Telling(run, task.asked, ending, upload=task.upload).tell():
                self._uploaded.add(run)
            del self._kept[run]
        except Exception as error:
            self._kept[run] = client.reason(error)

    def end(self, seconds: float, *, patient: bool) -> dict[str, Any]:
        """Let all that is followed end, and tell what W&B does not have.

        Args:
            seconds: the most to wait, in all; or, if `patient`, for the next run to be through.
            patient: try for as long as runs get through.
        """
        self._look()  # a run that ended before it was seen
        self._ending.set()
        deadline, through = time.monotonic() + seconds, -1
        while time.monotonic() < deadline:
            waiting = any(task.ended for task in self._tasks.values())
            if not self._threads and not (patient and waiting):
                break
            if patient and self._begun - len(self._threads) > through:
                deadline, through = time.monotonic() + seconds, self._begun - len(self._threads)
            time.sleep(0.05)
            self._look()  # all have their turn
        kept = dict(self._kept) | {run: LATE for run, task in self._tasks.items() if task.ended}
        return {
            "runs": self._begun,
            "uploaded": len(self._uploaded),
            "kept": len(kept),
            "reason": next(iter(kept.values()), None),
            "experiments": sorted({str(run.parents[1]) for run in kept}),
        }


def main() -> None:
    """Obey the orders that come, until there are no more."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)  # the command decides
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what W&B's client prints is no answer
    follower = Follower()
    threading.Thread(target=importlib.import_module, args=("wandb",), daemon=True).start()
    threading.Thread(target=follower.watch, daemon=True).start()

    def end(order: dict[str, Any]) -> None:
        print(json.dumps(follower.end(order["end"], patient=order["patient"])), file=answers)
        answers.flush()
        os._exit(0)  # W&B's client would wait at exit for what the server does not take

    for line in sys.stdin:
        order = json.loads(line)
        if "end" in order:
            threading.Thread(target=end, args=(order,), daemon=True).start()
        else:
            follower.obey(order)
    os._exit(1)  # the command is gone, or wants no answer


if __name__ == "__main__":
    main()
