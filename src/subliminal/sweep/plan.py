"""The plan of a sweep: its conditions, and the state of each of their runs before it starts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from subliminal import store
from subliminal.config.hashing import PLACES, not_hashed_keys
from subliminal.config.schema import Config

if TYPE_CHECKING:  # `--help` and a command's first lines need no torch
    from subliminal.training.job import Job

COLUMNS: dict[store.State, str] = {
    "finished": "finished, kept",
    "damaged": "damaged, trained again",
    "partial": "interrupted, resume",
    "failed": "failed, tried again",
    "missing": "new",
    "running": "in another process",
}


def condition_name(overrides: Iterable[str]) -> str:
    """Return a condition's name: its overrides, sorted, in characters that a file name may have.

    Overrides that cannot change a result are left out, and the seed, by which conditions are
    paired. `threat` stays: its files set other keys too.
    """
    left_out = (not_hashed_keys(Config) | PLACES | {"sweep"}) - {"threat"}

    def is_named(override: str) -> bool:
        key = override.lstrip("+~").partition("=")[0]
        with_parents = {key[: match.start()] for match in re.finditer(r"\.|$", key)}
        return key != "engine" and not with_parents & left_out

    words = [override.lstrip("+") for override in overrides if is_named(override)]
    named = {word.partition("=")[0]: word for word in words}  # of a key given twice the last counts
    name = ",".join(sorted(named.values())).replace("/", ".").replace("@", ".")
    name = re.sub(r"\[([^\]]*)\]", lambda items: items[1].replace(",", "+"), name)
    name = re.sub(r"[^\w.,=+\-]", "", name)
    return name or "default"


@dataclass(frozen=True)
class Condition:
    """The runs of one condition that a sweep asks for."""

    name: str
    runs: dict[Path, store.State]  # run folder to its state before the sweep


# The sweep of this process: set when its jobs are checked, read when it has ended.
PLAN: list[Condition] = []


def conditions(jobs: Iterable[Job]) -> list[Condition]:
    """Return the conditions of checked jobs with all their runs."""
    found: dict[Path, Condition] = {}
    for job in jobs:
        condition = found.setdefault(job.directory, Condition(job.condition, {}))
        for seed in job.seeds:
            run = job.run_dir(seed)
            if run not in condition.runs:
                condition.runs[run] = store.examine(run)
    return list(found.values())


def in_one_folder(jobs: Iterable[Job]) -> list[Job]:
    """Put jobs of the same new condition into the folder of the first, whatever their names."""
    first: dict[tuple[Path, str], Job] = {}
    pairs = [(job, first.setdefault((job.directory.parent, job.identity), job)) for job in jobs]
    return [job.changed(condition=one.condition, directory=one.directory) for job, one in pairs]


def show(plan: list[Condition], *, force: bool, resume: bool) -> None:
    """Print each condition's number of seeds that are finished, interrupted, failed or new."""
    from rich.table import Column, Table

    from subliminal.config.terminal import console

    counts = [Counter(condition.runs.values()) for condition in plan]
    titles = dict(COLUMNS)
    if force:
        titles["finished"] = "finished, trained again"
    if not resume:
        titles["partial"] = "interrupted, start anew"
    shown = {state: title for state, title in titles.items() if any(c[state] for c in counts)}
    columns = [Column(title, justify="right") for title in shown.values()]
    table = Table(Column("condition", overflow="fold"), *columns)
    for condition, count in zip(plan, counts, strict=True):
        table.add_row(condition.name, *(str(count[state] or "") for state in shown))
    console(100, stderr=True).print(table)


def failures(plan: list[Condition]) -> list[str]:
    """Return a line for each condition and reason of failed runs, as they are now."""
    lines = []
    for condition in plan:
        reasons: dict[str, list[str]] = {}
        for run in condition.runs:
            if store.state(run) == "failed":
                text = (run / store.FAILURE).read_text(encoding="utf-8", errors="replace")
                reason = (text.strip().splitlines() or ["no reason given"])[-1]
                reasons.setdefault(reason, []).append(run.name)
        for reason, names in reasons.items():
            folder = next(iter(condition.runs)).parent
            lines.append(f"{condition.name}: {', '.join(names)} failed: {reason}; see {folder}")
    return lines
