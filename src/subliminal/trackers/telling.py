"""Telling W&B of one run: from its first note to its end, as its files grow."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from subliminal import store
from subliminal.trackers import aside, client, note
from subliminal.trackers.note import Note

POLL = 0.25  # seconds between two looks at a run's files
LATE = "it did not have all of it in time"


@dataclass
class Asked:
    """What is known of the server: a job that was refused once asks no more."""

    timeout: float  # seconds that it has for an answer
    refused: str | None = None  # why it is not asked any more
    _answered: threading.Event = field(default_factory=threading.Event)

    def begin(self, *, online: bool) -> None:
        """Ask whether it knows the user, and wait for no answer; offline ask nothing."""
        if not online:
            self.refuse("W&B is used offline")
            self._answered.set()
            return
        threading.Thread(target=self._ask, daemon=True).start()

    def _ask(self) -> None:
        try:
            client.verify()
        except Exception as error:
            self.refuse(client.reason(error))
        self._answered.set()

    def refuse(self, reason: str) -> None:
        """Ask no more."""
        self.refused = self.refused or reason

    def takes(self) -> bool:
        """Tell whether the server may be asked, once it has answered."""
        if not self._answered.wait(self.timeout):
            self.refuse(client.NO_ANSWER)
        return self.refused is None


@dataclass
class Telling:
    """One run that W&B is told of."""

    run: Path
    asked: Asked
    ending: Callable[[], bool]  # whether to tell what there is, and end
    upload: bool  # online or not at all

    def tell(self) -> bool:
        """Tell all; return whether W&B's server has it now (else it is kept offline, as wished).

        Raises:
            Exception: it has not, though it should; the message says why.
        """
        lock = note.claim(self.run)
        if lock is None:  # by another command, which tells it
            return False
        try:
            now = note.read(self.run)
            if now is None or now.uploaded or (now.told and not self.upload):
                return False
            return self._tell(now)
        finally:
            lock.release()

    def _tell(self, first: Note) -> bool:
        online = first.mode == "online" or self.upload
        there = online and self.asked.takes()
        if first.kept and not there:  # offline, by an earlier command
            raise RuntimeError(self.asked.refused)
        told = self._open(first, there=there)
        seen: list[int] = []
        while True:
            ending = self.ending()
            now = note.read(self.run) or first
            again = now.session != first.session  # another try has begun: this one has ended
            now = first if again else now
            changed = [path.stat().st_mtime_ns for path in self._tables() if path.is_file()]
            whole = now.whole or store.finished(self.run)
            if changed != seen and told is not None:
                told.log(client.read_tables(self.run), whole=whole)
                seen = changed
            if ending or again or now.exit_code is not None:
                break
            time.sleep(POLL)
        if told is None:
            place = "subliminal.trackers.client:keep"
            aside.call(place, self.run, now, seconds=self.asked.timeout)
            self._write(now.but(kept=True))
            raise RuntimeError(self.asked.refused)
        self._finish(told, now, whole=whole)
        if online and not told.online:
            raise RuntimeError(self.asked.refused)
        return told.online

    def _open(self, first: Note, *, there: bool) -> client.Open | None:
        """Open a run; offline when the server was asked in vain, for another run.

        None when it was asked in vain for this one: W&B's client holds on to it.
        """
        experiment = self.run.parents[1]
        if there:
            try:
                stop = (self.run / note.STOP).touch
                return client.open_online(first, experiment, self.asked.timeout, stop)
            except Exception as error:
                self.asked.refuse(client.reason(error))
                if not self.upload:
                    return None
        if self.upload:
            raise RuntimeError(self.asked.refused)
        return client.open_offline(first, experiment)

    def _finish(self, told: client.Open, now: Note, *, whole: bool) -> None:
        late = threading.Timer(2 * self.asked.timeout, self.asked.refuse, [LATE])
        late.daemon = True
        if told.online:
            late.start()  # other runs do not wait for a server that takes nothing
        try:
            client.close(told, self.run, now, whole=whole)
        except RuntimeError as error:
            self.asked.refuse(client.reason(error))
            raise
        finally:
            late.cancel()
        self._write(now.but(uploaded=told.online, kept=not told.online))

    def _write(self, done: Note) -> None:
        now = note.read(self.run)
        if now is not None and now.session == done.session:
            (self.run / note.STOP).unlink(missing_ok=True)  # pressed as it ended
            done.write(self.run)

    def _tables(self) -> list[Path]:
        return [self.run / name for name in client.TABLES]
