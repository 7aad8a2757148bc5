"""`runs note | tag | archive | delete`: a user's words on runs, and runs put away or deleted."""

import argparse
import json
import shutil
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from subliminal import store
from subliminal.config import terminal
from subliminal.errors import UserError
from subliminal.store.inventory import find
from subliminal.trackers import record

BUSY = "is being trained; wait for its end, or stop it"
ARCHIVE = ".archive"  # folder beside the conditions, which lists and reports pass over


def _runs(arguments: argparse.Namespace) -> list[Path]:
    """Return the run that a name fits, or the runs of a condition's folder; none may train."""
    folder = Path(arguments.run)
    of_condition = store.run_dirs(folder) if (folder / store.CONDITION).is_file() else []
    runs = of_condition or [find(arguments.outputs, arguments.run)]
    if busy := [run for run in runs if store.state(run) == "running"]:
        raise UserError(f"{busy[0]} {BUSY}")
    return runs


def annotate(arguments: argparse.Namespace) -> int:
    """Set the note or the tags of runs; the command `sync` tells W&B."""
    words, is_tag = arguments.words, arguments.action == "tag"
    if is_tag and any(len(word) > record.LONGEST_TAG for word in words):
        raise UserError(f"tag: use at most {record.LONGEST_TAG} characters")
    for run in _runs(arguments):
        notes = store.read_notes(run)
        tags = notes["tags"]
        notes |= {"tags": words} if is_tag else {"note": " ".join(words)}
        store.write_text(run / store.NOTES, json.dumps(notes, ensure_ascii=False) + "\n")
        if tracked := record.read(run):
            own = [tag for tag in tracked.tags if tag not in tags]  # of tracker.tags
            now = replace(tracked, tags=own + notes["tags"], note=notes["note"], uploaded=False)
            now.write(run)
        print(f"{run}: {json.dumps(notes, ensure_ascii=False)}")
    return 0


def remove(arguments: argparse.Namespace) -> int:
    """Archive or delete runs after a yes; return 1 without one.

    Raises:
        UserError: a run is being trained or archived already, or nobody can answer.
    """
    runs = _runs(arguments)
    more = f" and {len(runs) - 1} more" if len(runs) > 1 else ""
    if not terminal.confirmed(f"{arguments.action} {runs[0]}{more}?", yes=arguments.yes):
        return 1
    condition = runs[0].parent
    away = condition.parent / ARCHIVE / condition.name
    with ExitStack() as locks:
        for run in runs:
            if (lock := store.claim(run)) is None:  # began meanwhile
                raise UserError(f"{run} {BUSY}")
            locks.callback(lock.release)
            if arguments.action == "archive" and (away / run.name).exists():
                raise UserError(f"{away / run.name} exists; delete or move it first")
        for run in runs:
            if arguments.action == "archive":
                away.mkdir(parents=True, exist_ok=True)
                shutil.move(run, away)
            else:
                shutil.rmtree(run)
            store.forget(run)
    return 0
