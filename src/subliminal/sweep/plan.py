"""What a sweep is about to do: its checked jobs, and how far each of their runs is."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from subliminal import store
from subliminal.config.hashing import PLACES, not_hashed_keys
from subliminal.config.schema import Config

if TYPE_CHECKING:  # `--help` and a command's first lines need no torch
    from subliminal.training.job import Job

Plain = dict[str, Any]

COLUMNS: dict[store.State, str] = {
    "finished": "finished, kept",
    "damaged": "damaged, trained again",
    "partial": "interrupted, resume",
    "failed": "failed, tried again",
    "missing": "new",
    "running": "in another process",
}


def condition_name(overrides: Iterable[str]) -> str:
    """Return a condition's name: its overrides, sorted, in characters fit for a file.

    Overrides that cannot change a result, and the seed, by which conditions are paired, are left
    out. (`threat` changes more than its own node.)
    """
    without = (not_hashed_keys(Config) | PLACES | {"sweep"}) - {"threat"}

    def counts(override: str) -> bool:
        key = override.lstrip("+~").partition("=")[0]
        above = {key[: match.start()] for match in re.finditer(r"\.", key)} | {key}
        return key != "engine" and not above & without

    science = sorted(o.lstrip("+") for o in overrides if counts(o))
    name = ",".join(science).replace("/", ".").replace("@", ".")
    name = re.sub(r"\[([^\]]*)\]", lambda items: items[1].replace(",", "+"), name)
    name = re.sub(r"[^\w.,=+\-]", "", name)
    return name or "default"


@dataclass(frozen=True)
class Condition:
    """The runs of one condition that a sweep wants."""

    name: str
    runs: dict[Path, store.State]  # run directory to its state before the sweep


# Of the sweep that this process started: set when its jobs are checked, read at its end.
PLAN: list[Condition] = []


def conditions(jobs: Iterable[Job]) -> list[Condition]:
    """Return the conditions of checked jobs with all their runs, jobs of one condition together."""
    found: dict[Path, Condition] = {}
    for job in jobs:
        condition = found.setdefault(job.directory, Condition(job.condition, {}))
        for seed in job.seeds:
            run = job.run_dir(seed)
            if run not in condition.runs:
                condition.runs[run] = store.examine(run)
    return list(found.values())


def in_one_folder(jobs: Iterable[Job]) -> list[Job]:
    """Give jobs of one new condition, however each of them spells it, the folder of the first."""
    first: dict[tuple[Path, str], Job] = {}
    return [
        job.in_folder_of(first.setdefault((job.directory.parent, job.identity), job))
        for job in jobs
    ]


def show(plan: list[Condition], *, force: bool, resume: bool) -> None:
    """Print the plan: for each condition, how many seeds are finished, interrupted, failed, new."""
    from rich.table import Table

    from subliminal.config.terminal import console

    counts = [Counter(condition.runs.values()) for condition in plan]
    titles = dict(COLUMNS)
    if force:
        titles["finished"] = "finished, trained again"
    if not resume:
        titles["partial"] = "interrupted, start anew"
    shown = {state: title for state, title in titles.items() if any(c[state] for c in counts)}
    table = Table("condition", *shown.values())
    table.columns[0].overflow = "fold"
    for column in table.columns[1:]:
        column.justify = "right"
    for condition, count in zip(plan, counts, strict=True):
        table.add_row(condition.name, *(str(count[state] or "") for state in shown))
    console(100, stderr=True).print(table)


def failures(plan: list[Condition]) -> list[str]:
    """Return one line for each condition with failed runs, as they are now: which, and why."""
    lines = []
    for condition in plan:
        reasons: dict[str, list[str]] = {}
        for run in condition.runs:
            if store.state(run) == "failed":
                reasons.setdefault(_last_line(run / store.FAILURE), []).append(run.name)
        for reason, names in reasons.items():
            folder = next(iter(condition.runs)).parent
            seeds = ", ".join(names)
            lines.append(f"{condition.name}: {seeds} failed: {reason}; see {folder}")
    return lines


def _last_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "no reason given"
