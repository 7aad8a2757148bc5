"""The jobs of a sweep as they were checked: these run, whatever happens to files of `conf/`.

Hydra composes a job when it starts, hours after the sweep began perhaps, and in another process.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from subliminal import store
from subliminal.config.hashing import PLACES
from subliminal.config.resources import CONF
from subliminal.sweep.plan import condition_name

if TYPE_CHECKING:
    from subliminal.training.job import Job

FILE = "planned.json"  # in the sweep's folder of Hydra
# Digest of the config files of a search, which has no plan; launchers hand it on to jobs.
VARIABLE = "SUBLIMINAL_CONF"
_SHOWN = 3  # keys, in the line that reports a change

Plain = dict[str, Any]


# The jobs that this process checked, by their overrides; other processes read the file.
JOBS: dict[tuple[str, ...], Job] = {}


def folder(hydra: Any) -> Path:
    """Return the sweep's folder, as a job's Hydra node names it."""
    return Path(hydra.runtime.cwd, str(hydra.sweep.dir))


def keep(jobs: Mapping[tuple[str, ...], Job], values: Sequence[Plain], directory: Path) -> None:
    """Write what each job will run to the sweep's folder, where other processes find it.

    Args:
        jobs: the checked jobs, by their overrides.
        values: the composed config of each.
        directory: the sweep's folder.

    Raises:
        OSError: the folder cannot be written.
    """
    JOBS.clear()
    JOBS.update(jobs)
    lines = ",\n".join(
        json.dumps({"overrides": words, "condition": job.condition, "values": composed})
        for (words, job), composed in zip(jobs.items(), values, strict=True)
    )
    directory.mkdir(parents=True, exist_ok=True)
    store.write_text(directory / FILE, f"[\n{lines}\n]\n")


def as_planned(values: Plain, hydra: Any, say: Callable[[str], None]) -> tuple[Plain, str]:
    """Return the config and the condition's name of the job that Hydra starts, as planned.

    Args:
        values: the config as composed now.
        hydra: the job's Hydra node.
        say: called with a line for the user if config files were changed since the plan.
    """
    overrides = list(hydra.overrides.task)
    plan = _read(hydra, overrides)
    if plan is None:  # a search, or a machine that lacks the sweep's folder
        if os.environ.get(VARIABLE) not in (None, digest(hydra)):
            say("Config files were changed since this sweep began; this job is made of the new.")
        return values, condition_name(overrides)
    changes = [
        f"{key} (planned: {json.dumps(before)}, now: {json.dumps(now)})"
        for key, before, now in _changes(plan["values"], values)
        if key not in PLACES  # they may differ from machine to machine
    ]
    if not changes:
        return values, plan["condition"]
    more = f" and {len(changes) - _SHOWN} more" if len(changes) > _SHOWN else ""
    say(
        f"Config files were changed since this sweep began: {', '.join(changes[:_SHOWN])}{more}. "
        "It runs as it was planned; a new sweep takes the new values."
    )
    return plan["values"], plan["condition"]


def digest(hydra: Any) -> str:
    """Return a digest of the config files that Hydra may read."""
    content = hashlib.sha256()
    for source in hydra.runtime.config_sources:
        place = Path(source.path)
        if source.schema == "sweeps":
            files = [*place.rglob("*.yaml")]
        elif source.schema == "file":  # a user's may hold much else
            files = [*place.glob("*.yaml")]
            for group in [path for path in CONF.iterdir() if path.is_dir()]:
                files += (place / group.name).rglob("*.yaml")
        else:
            continue
        for file in sorted(files):
            content.update(f"{file}\0".encode() + file.read_bytes())
    return content.hexdigest()


def _read(hydra: Any, overrides: list[str]) -> Plain | None:
    try:
        jobs: list[Plain] = json.loads((folder(hydra) / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return next((job for job in jobs if job["overrides"] == overrides), None)


def _changes(before: Any, now: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    if isinstance(before, dict) and isinstance(now, dict):
        for name in dict.fromkeys([*before, *now]):
            yield from _changes(before.get(name), now.get(name), f"{key}.{name}".lstrip("."))
    elif before != now:
        yield key, before, now
