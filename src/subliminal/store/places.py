"""Layout of outputs/: the folders of conditions, at any depth, and of their runs.

`outputs/README.md` lists what they hold.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePath

MARKER = "summary.json"
FAILURE = "failure.txt"
CHECKPOINT = "checkpoint.safetensors"
STUDENT = "student.safetensors"
NOTES = "notes.json"
SEARCH = "search.json"  # of an experiment: what a search in it optimises
POST_MORTEM = "post-mortem.safetensors"
# The files whose checksums a marker holds.
DATA = ("config.yaml", "steps.parquet", "epochs.parquet", STUDENT)
ATTRIBUTION = "attribution.parquet"
OF_PROBES = (ATTRIBUTION,)  # further ones, in runs with such a probe
CONDITION = "condition.json"
LOCKS = ".locks"  # of a condition's runs; empty files that stay, for removing one is a race
CALIBRATIONS = "calibrations"  # of audits
_OURS = ("bases", "teachers", CALIBRATIONS, "wandb", "report")  # folders without runs
_RUN = re.compile(r"seed-(\d{4,})", re.ASCII)


def run_dir(condition_dir: Path, seed: int) -> Path:
    """Return the directory of one seed of a condition."""
    return condition_dir / f"seed-{seed:04d}"


def seed_of(run: Path) -> int | None:
    """Return the seed in a run folder's name; None for any other name."""
    match = _RUN.fullmatch(run.name)
    seed = int(match[1]) if match and len(match[1]) <= 19 else None
    return seed if seed is not None and run_dir(Path(), seed).name == run.name else None


def run_dirs(condition_dir: Path) -> list[Path]:
    """Return the existing run folders of a condition, in order of their seeds."""
    found = [(seed_of(run), run) for run in condition_dir.glob("seed-*") if run.is_dir()]
    return [run for _, run in sorted((seed, run) for seed, run in found if seed is not None)]


def condition_dirs(folder: Path, above: frozenset[tuple[int, int]] = frozenset()) -> Iterator[Path]:
    """Yield the condition folders at or below `folder`, at any depth, in order.

    `above` holds device and inode of the parent folders that the search has been through.
    """
    try:
        stat = folder.stat()
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir())
    except OSError:  # gone, or not readable
        return
    here = (stat.st_dev, stat.st_ino)
    if here in above:  # a link to one of its parent folders
        return
    below = [name for name in names if seed_of(Path(name)) is None]
    if len(below) < len(names) or (folder / CONDITION).is_file():
        yield folder
    for name in below:
        if not name.startswith(".") and name not in _OURS:
            yield from condition_dirs(folder / name, above | {here})


def finished_runs(experiment_dir: Path) -> Iterator[Path]:
    """Yield the directories of the finished runs of the conditions in a folder, in order."""
    for condition in sorted(path for path in experiment_dir.glob("*") if path.is_dir()):
        yield from (run for run in run_dirs(condition) if (run / MARKER).is_file())


def misplaced(name: str) -> str | None:
    """Return why an experiment cannot have this name; None when it can."""
    place = PurePath(name)
    if not place.name or place.is_absolute() or ".." in place.parts:
        return "a folder below outputs is needed, without .."
    if not name.isprintable():
        return "use printable characters only"
    for part in place.parts:
        if part.startswith(".") or part in _OURS or seed_of(Path(part)) is not None:
            return f"no part may start with a dot, be {', '.join(_OURS)} or a run's seed-<number>"
    return None
