"""What a sweep is about to do: how far each of its runs is. Printed before, looked up after."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

from subliminal import store
from subliminal.errors import UserError

# Overrides that do not change a condition, and so are no part of its name.
_NOT_SCIENCE = re.compile(
    r"[+~]*(seed|sweep|tracker|engine(?!\.(precision|threads)\b)|name|outputs|resume|force"
    r"|objective|(data|distill\.inputs)\.(root|download))\b"
)

BASIC = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"

COLUMNS: dict[store.State, str] = {
    "finished": "finished, kept",
    "damaged": "damaged, trained again",
    "partial": "interrupted, resume",
    "failed": "failed, tried again",
    "missing": "new",
    "running": "in another process",
}


def condition_name(overrides: list[str]) -> str:
    """Return a condition's name: its overrides, sorted, in characters fit for a file."""
    science = sorted(o.lstrip("+") for o in overrides if not _NOT_SCIENCE.match(o))
    name = ",".join(science).replace("/", ".").replace("@", ".")
    name = re.sub(r"\[([^\]]*)\]", lambda items: items[1].replace(",", "+"), name)
    name = re.sub(r"[^\w.,=+\-]", "", name)
    return name or "default"


def grid(config: DictConfig) -> list[list[str]] | None:
    """Return the overrides of each job of a sweep; None when the sweeper chooses as it goes."""
    sweeper = config.hydra.sweeper
    if sweeper._target_ != BASIC:
        return None
    swept = [f"{key}={value}" for key, value in (sweeper.params or {}).items()]
    parser = OverridesParser.create(GlobalHydra.instance().config_loader())
    overrides = parser.parse_overrides([*swept, *config.hydra.overrides.task])
    (jobs,) = BasicSweeper.split_arguments(overrides, None)
    return [list(job) for job in jobs]


@dataclass(frozen=True)
class Place:
    """Where the runs of a condition lie."""

    directory: Path
    condition: str  # its readable name
    identity: str  # its hash


def place(config: dict[str, Any], device: str, condition: str) -> Place:
    """Return a condition's place: the folder of the same content that there is, else a new one.

    Args:
        config: canonical.
        device: kind of device.
        condition: its readable name, should it be new.

    Raises:
        UserError: a folder with its name holds another condition.
    """
    experiment = Path(config["outputs"]) / str(config["name"])
    identity = store.condition_hash(config, device)
    directory = store.folder_of(experiment, identity)
    if directory is None:
        directory = experiment / store.folder_name(condition, identity)
        if store.recorded(directory):  # one that is damaged is written anew
            raise UserError(f"{directory}: holds another condition; give that another name")
    else:
        condition = store.recorded(directory).get("condition", condition)
    return Place(directory, condition, identity)


def record(config: dict[str, Any], place: Place, seeds: Sequence[int]) -> None:
    """Note in the condition's folder what is asked for; a report can then tell what is missing.

    Raises:
        UserError: the outputs folder cannot be written.
    """
    try:
        store.record_condition(
            place.directory, place.condition, seeds, config, identity=place.identity
        )
    except OSError as error:
        raise unwritable(config["outputs"], error) from error


def unwritable(outputs: str, error: OSError) -> UserError:
    """Return what tells the user that the outputs folder cannot be written."""
    return UserError(
        f"outputs={outputs}: cannot be written ({error.strerror}); "
        "choose another folder with outputs=…"
    )


@dataclass(frozen=True)
class Planned:
    """The runs of one condition that a sweep asks for."""

    condition: str
    runs: dict[Path, store.State]  # run directory to its state before the sweep


# Of the sweep that this process started: set by the callback that checks it, read at its end.
PLANNED: list[Planned] = []


def show(plan: list[Planned], *, force: bool, resume: bool) -> None:
    """Print the plan: for each condition, how many seeds are finished, interrupted, failed, new."""
    from rich.table import Table

    from subliminal.terminal import console

    counts = [Counter(planned.runs.values()) for planned in plan]
    titles = dict(COLUMNS)
    if force:
        titles["finished"] = "finished, trained again"
    if not resume:
        titles["partial"] = "interrupted, start anew"
    shown = {state: title for state, title in titles.items() if any(c[state] for c in counts)}
    table = Table("condition", *(f"{title}" for title in shown.values()))
    table.columns[0].overflow = "fold"
    for column in table.columns[1:]:
        column.justify = "right"
    for planned, count in zip(plan, counts, strict=True):
        table.add_row(planned.condition, *(str(count[state] or "") for state in shown))
    console(100, stderr=True).print(table)


def failures(plan: list[Planned]) -> list[str]:
    """Return one line for each condition with failed runs, as they are now: which, and why."""
    lines = []
    for planned in plan:
        reasons: dict[str, list[str]] = {}
        for run in planned.runs:
            if store.state(run) == "failed":
                reasons.setdefault(_last_line(run / store.FAILURE), []).append(run.name)
        for reason, names in reasons.items():
            folder = next(iter(planned.runs)).parent
            seeds = ", ".join(names)
            lines.append(f"{planned.condition}: {seeds} failed: {reason}; see {folder}")
    return lines


def _last_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "no reason given"
