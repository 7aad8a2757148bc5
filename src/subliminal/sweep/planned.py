"""Plan file of a sweep: the config of each job as it was checked.

A job may start hours later and in another process, where Hydra composes its config anew. The plan
file makes it run what was checked, even if files of `conf/` have changed since.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, read_write

from subliminal import store
from subliminal.config import guard
from subliminal.config.arguments import quoted
from subliminal.config.canonical import Plain, differences
from subliminal.config.hashing import PLACES
from subliminal.sweep.plan import condition_name

if TYPE_CHECKING:
    from subliminal.training.job import Job

FILE = "planned.json"  # in the sweep's folder of Hydra's files

# Jobs that this process has checked, by their overrides. Other processes read the file.
JOBS: dict[tuple[str, ...], Job] = {}


def folder(hydra: Any) -> Path:
    """Return the sweep's folder that Hydra's node of a job's config names."""
    return Path(hydra.runtime.cwd, str(hydra.sweep.dir))


def write_plan(
    jobs: Mapping[tuple[str, ...], Job], values: Sequence[Plain], config: DictConfig
) -> None:
    """Write the plan file, and keep the jobs for this process.

    Args:
        jobs: checked jobs, by their overrides.
        values: the composed config of each.
        config: the sweep's, with Hydra's node.

    Raises:
        UserError: the sweep's folder cannot be written.
    """
    from subliminal.training.job import unwritable

    JOBS.clear()
    JOBS.update(jobs)
    directory = folder(config.hydra)
    # Jobs with `outputs` of their own look for the plan in the sweep's folder too.
    guard.allow("hydra.sweep.dir")
    with read_write(config.hydra.overrides):
        config.hydra.overrides.hydra.append(f"hydra.sweep.dir={quoted(str(directory))}")
    lines = ",\n".join(
        json.dumps({"overrides": words, "condition": job.condition, "values": composed})
        for (words, job), composed in zip(jobs.items(), values, strict=True)
    )
    try:
        directory.mkdir(parents=True, exist_ok=True)
        store.write_text(directory / FILE, f"[\n{lines}\n]\n")
    except OSError as error:
        raise unwritable(config.outputs, error) from error


def as_planned(values: Plain, hydra: Any, say: Callable[[str], None]) -> tuple[Plain, str]:
    """Return a job's config and its condition's name: those of the plan file, if it has the job.

    `values` are the config as Hydra has composed it now, and `hydra` is Hydra's node of it. A line
    for the user is said if config files have changed.
    """
    overrides = list(hydra.overrides.task)
    plan = folder(hydra) / FILE
    jobs: list[Plain] = json.loads(plan.read_text(encoding="utf-8")) if plan.is_file() else []
    planned = next((job for job in jobs if job["overrides"] == overrides), None)
    if planned is None:  # a search, or a machine without the sweep's folder
        return values, condition_name(overrides)
    changes = [
        f"{key} (planned: {json.dumps(before)}, now: {json.dumps(now)})"
        for key, (before, now) in differences(planned["values"], values).items()
        if key not in PLACES  # machines may keep data in different folders
    ]
    if not changes:
        return values, planned["condition"]
    say(
        f"Config files were changed since this sweep began: {', '.join(changes)}. "
        "It runs as it was planned; a new sweep takes the new values."
    )
    return planned["values"], planned["condition"]
