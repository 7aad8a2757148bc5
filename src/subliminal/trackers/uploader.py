"""The subprocess that uploads runs to W&B from their folders, while they train or afterwards.

Its standard input has one JSON order a line; at the end it writes one line of JSON. Only this
process waits for W&B's server. It ends with the command, however that ends.
"""

import importlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from subliminal import store
from subliminal.config import terminal
from subliminal.trackers import client, record
from subliminal.trackers.aside import reason

AT_ONCE, AT_ONCE_LATER = 64, 8  # runs uploaded at once: beside trainings, and without
PATIENCE = 600.0  # seconds for the last rows of a run, beside trainings
POLL = 0.25  # seconds between two checks of a run's folder
INTERRUPTED = 255  # W&B's exit code for Ctrl-C
LATE = "its server did not take all of it in time"


class ServerStatus:
    """Whether the runs of a job can use W&B's server; after one failure none of them does."""

    def __init__(self, timeout: float, *, online: bool) -> None:
        self.timeout = timeout  # seconds to wait for an answer
        self.online = online  # False: runs are written into offline folders
        self._failure: str | None = None
        self._verified = ThreadPoolExecutor().submit(client.verify) if online else None

    def wait(self) -> None:
        """Wait for the server's first answer; raise an error if it failed, now or before."""
        with self.used():
            if self._verified is not None:
                self._verified.result(self.timeout)
            if self._failure:
                raise RuntimeError(self._failure)

    @contextmanager
    def used(self) -> Iterator[None]:
        """Count an error of a block as the server's failure."""
        try:
            yield
        except Exception as error:
            late = isinstance(error, TimeoutError) or "in time" in str(error)
            self._failure = self._failure or (LATE if late else reason(error))
            raise RuntimeError(self._failure) from error


@dataclass(eq=False)
class RunUpload:
    """The upload of one run, which lasts as long as its training."""

    directory: Path
    server: ServerStatus
    ending: threading.Event  # set: upload the rows so far, and end
    live: bool  # beside trainings
    seen: int  # time of the record that needs no upload
    started: bool = False  # stays False while another process uploads the run
    lacking: str | None = None  # why W&B lacks a part of the run

    def run(self) -> None:
        """Upload the run until it has ended, unless another process does; set `lacking`."""
        last, lock = self.ending.is_set(), store.claim(self.directory.with_suffix(".tracking"))
        if lock is None:  # another process uploads the run
            if last:  # else try again: that process may be killed
                self.seen = record.written(self.directory)
            return
        self.started, self.lacking = True, LATE
        try:
            if store.finished(self.directory):  # no training writes its record now
                store.remove_stale_files(self.directory / record.FILE)
            self._upload()
            self.lacking = None
        except Exception as error:
            self.lacking = reason(error)
        lock.release()

    def _upload(self) -> None:
        """Upload the run, or write it into an offline folder; raise an error if that fails."""
        self.seen, first = record.written(self.directory), record.read(self.directory)
        if first is None or first.uploaded:
            return
        online, timeout, state = self.server.online, self.server.timeout, "running"
        patience = PATIENCE if self.live else 2 * timeout
        self.server.wait()
        with self.server.used():
            session = client.open_run(first, self.directory, timeout, patience, online=online)
        while state == "running":
            last, seen = self.ending.is_set(), record.written(self.directory)
            now, state = record.read(self.directory), store.state(self.directory)
            if now is not None and now.run_id != first.run_id:
                state = "replaced"  # another run has the folder now
                break
            self.seen = seen
            # A run that diverged would diverge again: its last row is complete too.
            diverged = state == "failed" and (self.directory / store.POST_MORTEM).is_file()
            session.update(self.directory, complete=state == "finished" or diverged)
            if last:
                break
            time.sleep(POLL if state == "running" else 0)
        with self.server.used():
            client.finish(session.run, {"finished": 0, "failed": 1}.get(state, INTERRUPTED))
        if record.written(self.directory) == self.seen:  # else the run was started again
            (self.directory / record.STOP).unlink(missing_ok=True)  # pressed as the run ended
            replace(first, uploaded=online, kept=not online).write(self.directory)
            self.seen = record.written(self.directory)


class Uploader:
    """Uploads runs, each in its own thread, whenever their records are written anew."""

    def __init__(self) -> None:
        self._uploads: dict[Path, RunUpload] = {}
        self._threads: dict[RunUpload, threading.Thread] = {}
        self._ending = threading.Event()
        self._lock = threading.Lock()

    def add(self, runs: dict[str, int], timeout: float, *, online: bool, live: bool) -> None:
        """Watch the runs of one more job, whose server may be back."""
        server = ServerStatus(timeout, online=online)
        with self._lock:
            for run, seen in runs.items():
                directory = Path(run)
                self._uploads[directory] = RunUpload(directory, server, self._ending, live, seen)

    def watch(self) -> None:
        """Start uploads until `end` is called."""
        while not self._ending.wait(POLL):
            self._start()

    def _start(self) -> bool:
        """Start the uploads of runs with a new record; return whether any is in progress."""
        with self._lock:
            self._threads = {one: it for one, it in self._threads.items() if it.is_alive()}
            for run, upload in self._uploads.items():
                if upload in self._threads or record.written(run) == upload.seen:
                    continue
                if len(self._threads) >= (AT_ONCE if upload.live else AT_ONCE_LATER):
                    upload.lacking = LATE
                    continue
                self._threads[upload] = threading.Thread(target=upload.run, daemon=True)
                self._threads[upload].start()
            return bool(self._threads)

    def end(self, seconds: float) -> dict[str, Any]:
        """End all uploads within a time limit; return what `uploader_client.end` returns."""
        self._ending.set()
        deadline = time.monotonic() + seconds
        while self._start() and time.monotonic() < deadline:
            time.sleep(0.05)
        runs = [upload for upload in self._uploads.values() if upload.started or upload.lacking]
        lacking = {upload.directory: upload.lacking for upload in runs if upload.lacking}
        number, why = f"{len(lacking)} of {len(runs)}", next(iter(lacking.values()), "")
        line = problem(number, why, lacking) if lacking else None
        return {"uploaded": len(runs) - len(lacking), "problem": line}


def problem(number: str, why: str, runs: Iterable[Path]) -> str:
    """Return a line on the runs that W&B lacks, with the command that uploads them."""
    where = " ".join(sorted({str(run.parents[1]) for run in runs}))
    return (
        f"W&B does not have all of {number} runs ({why}); "
        f"upload them with: python -m subliminal sync {where}"
    )


def main() -> None:
    """Follow the orders on standard input until it is closed."""
    terminal.settle()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)  # the command decides when to end
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # keeps the output of W&B's client out of the answer
    uploader = Uploader()
    threading.Thread(target=importlib.import_module, args=("wandb",), daemon=True).start()
    threading.Thread(target=uploader.watch, daemon=True).start()

    def end(seconds: float) -> None:
        print(json.dumps(uploader.end(seconds)), file=answers, flush=True)
        os._exit(0)  # at exit W&B's client would wait for uploads that the server does not accept

    for line in sys.stdin:
        order = json.loads(line)
        if "runs" in order:
            uploader.add(**order)
        else:
            threading.Thread(target=end, args=(order["seconds"],), daemon=True).start()
    os._exit(1)  # the command has ended without waiting


if __name__ == "__main__":
    main()
