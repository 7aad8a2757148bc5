"""`python -m subliminal sync outputs/NAME`: upload what W&B lacks of an experiment's runs.

These are runs kept offline, runs whose server failed, and runs that were killed. The rows come from
the runs' own files, and only those that W&B lacks are sent. Exit status: 0 W&B has all, 1 it lacks
something.
"""

import argparse
import math
import subprocess
import sys
from pathlib import Path

from subliminal import store
from subliminal.config import command, terminal
from subliminal.config.resources import user_path
from subliminal.errors import UserError, no_folder
from subliminal.trackers import aside, record, uploader_client
from subliminal.trackers.wandb import logged_in

SECONDS = 60.0  # time limit for the upload of a run


def main() -> None:
    """Upload, and print how many runs were uploaded."""
    parser = command.Parser(prog="subliminal sync", description=__doc__)
    parser.add_argument("experiments", type=user_path, nargs="+", help="folders below outputs")
    arguments = parser.parse_args()
    stopped = "Stopped; the same command uploads the rest."
    sys.exit(command.status(lambda: _sync(arguments), stopped))


def _sync(arguments: argparse.Namespace) -> int:
    problems = [*filter(None, map(_upload, arguments.experiments))]
    for problem in problems:
        terminal.error(problem)
    return int(bool(problems))


def lacking(experiment: Path) -> tuple[list[Path], list[Path]]:
    """Return the runs that W&B lacks of an experiment, and offline folders of others (a report's).

    A run that is being trained is left out.
    """
    records = {
        file.parent: found
        for file in sorted(experiment.glob(f"*/*/{record.FILE}"))
        if store.seed_of(file.parent) is not None or file.parent.name == record.MEAN
        if (found := record.read(file.parent))
    }
    runs = [
        run for run, one in records.items() if not one.uploaded and store.state(run) != "running"
    ]
    ours = {one.run_id for one in records.values()}
    others = [
        folder
        for folder in sorted((experiment / "wandb").glob("offline-run-*"))
        if folder.name.rpartition("-")[2] not in ours and not any(folder.glob("*.synced"))
    ]
    return runs, others


def _upload(experiment: Path) -> str | None:
    if not experiment.is_dir():
        raise no_folder(experiment)
    runs, others = lacking(experiment)
    if not runs and not others:
        print(f"{experiment}: W&B lacks nothing of it")
        return None
    if not logged_in():
        raise UserError("W&B finds no key; `wandb login` stores one")
    problem: str | None = None
    if runs:
        uploader_client.follow(dict.fromkeys(runs, 0), SECONDS, online=True, live=False)
        answer = uploader_client.end(math.inf)
        problem = answer["problem"]
        print(f"{experiment}: {answer['uploaded']} runs uploaded")
    return _upload_others(others) if others and problem is None else problem


def _upload_others(folders: list[Path]) -> str | None:
    """Upload with W&B's own command."""
    words = [str(Path(sys.executable).parent / "wandb"), "sync", *map(str, folders)]
    environment = aside.environment() | {"WANDB_DIR": str(folders[0].parents[1])}  # of its logs
    try:
        done = subprocess.run(words, env=environment, timeout=SECONDS * len(folders), check=False)
    except subprocess.TimeoutExpired:
        return f"W&B took no more of {folders[0].parent}; the same command tries again"
    return f"`wandb sync` of {folders[0].parent} failed" if done.returncode else None
