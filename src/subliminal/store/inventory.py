"""What lies under outputs/: conditions, their runs and how far they are, and what one run holds."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from omegaconf import OmegaConf

from subliminal import metrics, store
from subliminal.errors import UserError

Plain = dict[str, Any]


class Damaged(UserError):
    """A file of a run cannot be read."""


class Cell(NamedTuple):
    """One run's place, and how it stands (see `store.state`)."""

    directory: Path
    state: str


def cells(condition: Path) -> list[Cell]:
    """Return the runs of a condition, those that were asked for and never begun included."""
    wanted = {run for run in condition.glob("seed-*") if run.is_dir()}
    try:
        asked = store.read_condition(condition).get("seeds", [])
    except (OSError, ValueError) as error:
        raise _damaged(condition / store.CONDITION, error) from error
    wanted |= {store.run_dir(condition, seed) for seed in asked}
    return [Cell(run, store.state(run)) for run in sorted(wanted, key=seed_of)]


def conditions(outputs: Path) -> Iterator[Path]:
    """Yield the condition folders below `outputs`, in order; a copy is not one (see `copies`).

    Raises:
        UserError: `outputs` is no folder.
    """
    yield from (folder for folder in _folders(outputs) if store.original(folder) is None)


def copies(outputs: Path) -> Iterator[tuple[Path, Path]]:
    """Yield the folders below `outputs` that lie beside what they are a copy of, and that."""
    for folder in _folders(outputs):
        if (original := store.original(folder)) is not None:
            yield folder, original


def _folders(outputs: Path) -> list[Path]:
    if not outputs.is_dir():
        raise UserError(f"{outputs}: no such folder; name one with --outputs")
    runs = (run.parent for run in outputs.glob("*/*/seed-*"))
    asked = (file.parent for file in outputs.glob(f"*/*/{store.CONDITION}"))
    return sorted({*runs, *asked})


def seed_of(run: Path) -> int:
    """Return the seed of a run's folder."""
    digits = run.name.removeprefix("seed-")
    if not digits.isdecimal():
        raise UserError(f"{run}: a folder called seed-<number> is needed")
    return int(digits)


def find(outputs: Path, name: str) -> Path:
    """Return the folder of the run that `name` means.

    Args:
        outputs: where experiments lie.
        name: a run's folder, or [[experiment/]condition/]seed: a whole name, or a part of it.

    Raises:
        UserError: no run is meant, or several are; the line names them.
    """
    path = Path(name)
    if path.is_dir() and path.name.startswith("seed-"):
        return path
    *above, seed = name.strip("/").split("/")
    digits = seed.removeprefix("seed-")
    if not digits.isdecimal() or len(above) > 2:
        raise UserError(f"{name}: neither a run's folder nor experiment/condition/seed")
    found = [
        cell.directory
        for condition in _narrow(list(conditions(outputs)), above)
        for cell in cells(condition)
        if seed_of(cell.directory) == int(digits) and cell.state != "missing"
    ]
    if len(found) == 1:
        return found[0]
    if not found:
        raise UserError(f"{name}: no such run below {outputs}; list them without arguments")
    names = ", ".join(str(run.relative_to(outputs)) for run in found[:4])
    more = f" and {len(found) - 4} more" if len(found) > 4 else ""
    raise UserError(f"{name}: several runs are meant: {names}{more}")


def _narrow(folders: list[Path], above: list[str]) -> list[Path]:
    """Keep the folders that the parts name; a whole name wins over a part of others."""
    if above:
        wanted = above[-1]
        names = {folder: {folder.name, folder.name.rpartition("-")[0]} for folder in folders}
        values = {f: {n.rpartition("=")[2] for n in names[f]} | names[f] for f in folders}
        folders = _best(folders, {f: values[f] for f in folders}, wanted)
    if len(above) == 2:
        folders = _best(folders, {f: {f.parent.name} for f in folders}, above[0])
    return folders


def _best(folders: list[Path], names: dict[Path, set[str]], wanted: str) -> list[Path]:
    whole = [folder for folder in folders if wanted in names[folder]]
    return whole or [f for f in folders if any(wanted in name for name in names[f])]


def overview(outputs: Path) -> tuple[list[Plain], list[str]]:
    """Return a row per condition, and what could not be read.

    A row holds experiment, condition, folder, seeds done and asked for, how many are in each
    state, the date of the newest result, and the mean over seeds of the headline numbers.
    """
    rows, damaged = [], []
    for condition in conditions(outputs):
        try:
            found = cells(condition)
        except Damaged as error:
            damaged.append(str(error))
            continue
        results, newest, name = [], 0.0, condition.name.rpartition("-")[0]
        for directory, state in found:
            if state != "finished":
                continue
            try:
                summary = _summary(directory)
            except Damaged as error:
                damaged.append(str(error))
                continue
            results.append(summary["results"])
            name = summary["condition"]
            newest = max(newest, (directory / store.MARKER).stat().st_mtime)
        states = Counter(cell.state for cell in found)
        rows.append(
            {
                "experiment": condition.parent.name,
                "condition": name,
                "folder": str(condition),
                "done": states["finished"],
                "seeds": len(found),
                "states": dict(states),
                "date": datetime.fromtimestamp(newest).isoformat(" ", "minutes") if newest else "",
                metrics.TRAIT_ACCURACY: _values(results, metrics.TRAIT_ACCURACY),
                metrics.ALIGNMENT: _alignments(results),
                metrics.DISTILL_LOSS: _values(results, metrics.DISTILL_LOSS),
            }
        )
    return rows, damaged


def _values(results: list[Plain], metric: str) -> list[float]:
    return [result[metric] for result in results]


def _alignments(results: list[Plain]) -> list[float]:
    """Return each seed's alignment: the mean over its epochs."""
    by_epoch = [result.get(f"{metrics.ALIGNMENT}_by_epoch") for result in results]
    return [sum(values) / len(values) for values in by_epoch if values]


def describe(run: Path) -> Plain:
    """Return one run: state, config, summary (empty until it has finished) and curves."""
    config_file, steps = run / "config.yaml", run / "steps.parquet"
    curves: dict[str, list[float]] = {}
    if steps.is_file():
        try:
            # At once: a run that goes on puts a newer file in its place.
            table = pl.read_parquet(BytesIO(steps.read_bytes()))
        except (pl.exceptions.PolarsError, OSError) as error:
            raise _damaged(steps, error) from error
        names = [name for name in table.columns if name.count("/") == 1]
        curves = {name: table[name].drop_nulls().to_list() for name in names}
    config: Any = {}
    if config_file.is_file():
        config = OmegaConf.to_container(OmegaConf.load(config_file))
    state = store.state(run)
    return {
        "run": str(run),
        "state": state,
        "summary": _summary(run) if state == "finished" else {},
        "config": config,
        "curves": curves,
    }


def _summary(run: Path) -> Plain:
    try:
        summary = store.read_summary(run)
    except (OSError, ValueError) as error:
        raise _damaged(run / store.MARKER, error) from error
    if not {"results", "condition", "environment"} <= summary.keys():
        raise Damaged(f"{run / store.MARKER}: holds no results")
    if summary.get("seed", seed_of(run)) != seed_of(run):
        raise Damaged(f"{run / store.MARKER}: is of seed {summary['seed']}")
    return summary


def _damaged(path: Path, error: Exception) -> Damaged:
    return Damaged(f"{path}: cannot be read ({type(error).__name__})")
