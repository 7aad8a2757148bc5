"""The uploader by hand: a client that keeps rows, and runs that are trained again meanwhile."""

import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from test_client import FakeRun
from tracked_run import Tracked
from wandb_online import wait_for

from subliminal import store
from subliminal.trackers import client, record
from subliminal.trackers.uploader import INTERRUPTED, Uploader

Codes = list[tuple[str, int, int]]  # of sessions: the run's id, its rows, its exit code


@pytest.fixture
def run(tracked: Tracked, tmp_path: Path) -> Path:
    """A run that is being trained: all its rows are there, but for its marker."""
    folder = Path(shutil.copytree(tracked.directories[3], tmp_path / "main/a-0badcafe/seed-0003"))
    (folder / store.MARKER).rename(folder / "later")
    return folder


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> Codes:
    """What W&B's client was given, by session."""
    found: Codes = []

    def open_run(record: record.TrackingRecord, *_: Any, online: bool) -> client.Session:
        return client.Session(FakeRun(record.run_id))

    def finish(run: Any, code: int) -> None:
        found.append((run.name, len(run.logged), code))

    monkeypatch.setattr(client, "open_run", open_run)
    monkeypatch.setattr(client, "finish", finish)
    return found


@pytest.fixture
def uploader() -> Iterator[Uploader]:
    uploader = Uploader()
    watch = threading.Thread(target=uploader.watch)
    watch.start()
    yield uploader
    uploader.end(0)
    watch.join()


def rewrite(run: Path, **changes: Any) -> None:
    found = record.read(run)
    assert found is not None
    replace(found, uploaded=False, kept=False, **changes).write(run)


@pytest.mark.parametrize("new_id", [False, True])
def test_a_run_that_is_tried_again_is_uploaded_again(
    run: Path, ended: Codes, uploader: Uploader, new_id: bool
) -> None:
    """A record of before the training is not read; of a run that grows the last row waits."""
    first = record.read(run)
    assert first is not None
    lock = store.claim(run)
    assert lock is not None
    uploader.add({str(run): record.written(run)}, 1.0, online=False, live=True)
    assert not uploader._start()
    rewrite(run)
    wait_for(lambda: uploader._start())
    if new_id:  # while it trains, as after a lack of memory
        rewrite(run, run_id="another")
        wait_for(lambda: len(ended) == 1)
        assert ended[0][0] == first.run_id
        assert ended[0][2] == INTERRUPTED
    else:
        lock.release()  # killed
        wait_for(lambda: len(ended) == 1)
        assert ended == [(first.run_id, 3 + 10, INTERRUPTED)]
        # Its result is written last; a record that is written at that moment would be lost.
        wait_for(lambda: (found := record.read(run)) is not None and found.kept)
        lock = store.claim(run)
        assert lock is not None
        rewrite(run)
    (run / "later").rename(run / store.MARKER)
    lock.release()
    wait_for(lambda: len(ended) == 2)
    assert ended[1] == ("another" if new_id else first.run_id, 3 + 11, 0)
    assert uploader.end(10) == {"uploaded": 1, "problem": None}
    found = record.read(run)
    assert found is not None
    assert (found.kept, found.uploaded, found.settled) == (True, False, True)


def test_what_another_process_uploads_is_left_to_it_while_it_lives(
    run: Path, ended: Codes, uploader: Uploader
) -> None:
    rewrite(run)
    lock = store.claim(run.with_name(f"{run.name}.tracking"))
    assert lock is not None
    uploader.add({str(run): 0}, 1.0, online=False, live=True)
    wait_for(lambda: uploader._start())
    wait_for(lambda: not any(thread.is_alive() for thread in uploader._threads.values()))
    assert ended == []
    lock.release()
    wait_for(lambda: len(ended) == 1, 10)


def test_what_a_killed_uploader_left_beside_a_finished_run_is_removed(
    run: Path, ended: Codes, uploader: Uploader
) -> None:
    rewrite(run)
    (run / "later").rename(run / store.MARKER)
    (run / f".{record.FILE}.killed").touch()
    uploader.add({str(run): 0}, 1.0, online=False, live=True)
    wait_for(lambda: len(ended) == 1)
    assert uploader.end(10) == {"uploaded": 1, "problem": None}
    assert not list(run.glob(f".{record.FILE}.*"))
