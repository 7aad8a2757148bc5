"""The jobs of a sweep as they were checked: these run, whatever becomes of the files of `conf/`.

Hydra composes a job when it starts, hours after the sweep began perhaps, and in another process.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from subliminal import store
from subliminal.config.canonical import canonical
from subliminal.config.resources import CONF
from subliminal.sweep.plan import unwritable

FILE = "planned.json"  # in the sweep's folder of Hydra
VARIABLE = "SUBLIMINAL_CONF"  # of a search: its config files' digest; launchers hand it on to jobs
_SHOWN = 3  # keys, in the line that tells of a change
# Where data lie may differ from machine to machine.
_PLACES = ("data.root", "data.download", "distill.inputs.root", "distill.inputs.download")

Plain = dict[str, Any]


def folder(hydra: Any) -> Path:
    """Return the sweep's folder, as a job's Hydra node names it."""
    return Path(hydra.runtime.cwd, str(hydra.sweep.dir))


@dataclass(frozen=True)
class Job:
    """What a job of a sweep is to run."""

    overrides: list[str]
    condition: str  # its name
    config: Plain  # canonical


def keep(jobs: Iterable[Job], sweep: DictConfig) -> None:
    """Write what each job is to run to the folder where it will look for it.

    Args:
        jobs: of the sweep.
        sweep: the sweep's config, with Hydra's node.

    Raises:
        UserError: the outputs folder cannot be written.
    """
    files: dict[Path, list[Plain]] = {}
    folders: dict[tuple[str, str], Path] = {}  # by what decides them
    for job in jobs:
        own = (job.config["outputs"], job.config["name"])
        if own not in folders:
            folders[own] = _folder_of(job, sweep)
        files.setdefault(folders[own], []).append(vars(job))
    for directory, planned in files.items():
        try:
            directory.mkdir(parents=True, exist_ok=True)
            lines = ",\n".join(map(json.dumps, planned))
            store.write_text(directory / FILE, f"[\n{lines}\n]\n")
        except OSError as error:
            raise unwritable(planned[0]["config"]["outputs"], error) from error


def _folder_of(job: Job, sweep: DictConfig) -> Path:
    """Return Hydra's folder of the sweep as the job sees it: by default it lies below `outputs`."""
    own = {key: job.config[key] for key in ("outputs", "name")}
    if all(sweep[key] == value for key, value in own.items()):
        return folder(sweep.hydra)
    seen = OmegaConf.merge(OmegaConf.masked_copy(sweep, ["hydra", *own]), own)
    OmegaConf.copy_cache(sweep, seen)  # the sweep's time of day
    return folder(seen.hydra)


def as_planned(
    cfg: DictConfig, hydra: Any, condition: str, say: Callable[[str], None]
) -> tuple[DictConfig, str]:
    """Return a job's config and its condition's name as planned; tell where files changed since.

    Args:
        cfg: as composed now.
        hydra: the job's Hydra node.
        condition: the name that its overrides give it.
        say: called with a line for the user.
    """
    job = _kept(hydra)
    if job is None:  # of a search, which has no plan, or on a machine without these files
        if os.environ.get(VARIABLE) not in (None, digest(hydra)):
            say("Config files were changed since this sweep began; this job is made of the new.")
        return cfg, condition
    changes = [
        f"{key} (planned: {json.dumps(before)}, now: {json.dumps(now)})"
        for key, before, now in _changes(job["config"], canonical(cfg))
        if key not in _PLACES
    ]
    if not changes:
        return cfg, job["condition"]
    more = f" and {len(changes) - _SHOWN} more" if len(changes) > _SHOWN else ""
    say(
        f"Config files were changed since this sweep began: {', '.join(changes[:_SHOWN])}{more}. "
        "It runs as it was planned; a new sweep takes the new values."
    )
    planned = OmegaConf.create(job["config"])
    assert isinstance(planned, DictConfig)
    return planned, job["condition"]


def digest(hydra: Any) -> str:
    """Return a digest of the config files that Hydra may read."""
    content = hashlib.sha256()
    for source in hydra.runtime.config_sources:
        folder = Path(source.path)
        if source.schema == "sweeps":
            files = [*folder.rglob("*.yaml")]
        elif source.schema == "file":  # a user's may hold much else
            files = [*folder.glob("*.yaml")]
            for group in [path for path in CONF.iterdir() if path.is_dir()]:
                files += (folder / group.name).rglob("*.yaml")
        else:
            continue
        for file in sorted(files):
            content.update(f"{file}\0".encode() + file.read_bytes())
    return content.hexdigest()


def _kept(hydra: Any) -> Plain | None:
    try:
        jobs: list[Plain] = json.loads((folder(hydra) / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return next((job for job in jobs if job["overrides"] == list(hydra.overrides.task)), None)


def _changes(before: Any, now: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    if isinstance(before, dict) and isinstance(now, dict):
        for name in dict.fromkeys([*before, *now]):
            yield from _changes(before.get(name), now.get(name), f"{key}.{name}".lstrip("."))
    elif before != now:
        yield key, before, now
