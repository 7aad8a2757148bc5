"""Conditions and runs under outputs/: their states, their results, and lookup by name."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from polars import selectors

from subliminal import metrics, store
from subliminal.errors import UserError

Plain = dict[str, Any]


class Cell(NamedTuple):
    """A run folder and its state (see `store.state`)."""

    directory: Path
    state: str


@dataclass(frozen=True)
class Held:
    """The seeds and the record of a condition folder."""

    directory: Path
    seeds: tuple[int, ...]  # with a folder, or asked for and never begun; in order
    record: Plain  # see `store.read_condition`; empty where there is none, or a damaged one
    damage: str | None  # one line on the record

    def cells(self) -> list[Cell]:
        """Return the run folders with their current states."""
        runs = [store.run_dir(self.directory, seed) for seed in self.seeds]
        return [Cell(run, store.state(run)) for run in runs]


def held(condition: Path) -> Held:
    """Read a condition folder; of a damaged record, keep one line and find the runs anyway."""
    seeds = {seed for run in store.run_dirs(condition) if (seed := store.seed_of(run)) is not None}
    try:
        record, damage = store.read_condition(condition), None
    except store.Damaged as error:
        record, damage = {}, str(error)
    return Held(condition, tuple(sorted(seeds | set(record.get("seeds", ())))), record, damage)


def conditions(outputs: Path) -> list[Path]:
    """Return the condition folders below `outputs`, in order, without copies.

    Raises:
        UserError: `outputs` is no folder.
    """
    return [folder for folder in _folders(outputs) if store.original(folder) is None]


def copies(outputs: Path) -> Iterator[tuple[Path, Path]]:
    """Yield each copied folder below `outputs` with its original, which lies beside it."""
    for folder in _folders(outputs):
        if (original := store.original(folder)) is not None:
            yield folder, original


def _folders(outputs: Path) -> Iterator[Path]:
    if not outputs.is_dir():
        raise UserError(f"{outputs}: no such folder; name one with --outputs")
    yield from store.condition_dirs(outputs)


def find(outputs: Path, name: str) -> Path:
    """Return the run folder that `name` means.

    Args:
        outputs: where experiments lie.
        name: a run's folder, or [[experiment/]condition/]seed: a whole name, or a part of it.

    Raises:
        UserError: no run matches, or several do; the line names them.
    """
    path = Path(name)
    if path.is_dir() and store.seed_of(path.resolve()) is not None:
        return path
    *above, seed = name.strip("/").split("/")
    digits = seed.removeprefix("seed-")
    if not re.fullmatch(r"\d{1,19}", digits, re.ASCII):
        raise UserError(f"{name}: neither a run's folder nor experiment/condition/seed")
    narrowed = _narrow(outputs, conditions(outputs), above)
    runs = [store.run_dir(condition, int(digits)) for condition in narrowed]
    found = [run for run in runs if store.state(run) != "missing"]
    if len(found) == 1:
        return found[0]
    if not found:
        raise UserError(f"{name}: no such run below {outputs}; list them without arguments")
    names = ", ".join(str(run.relative_to(outputs)) for run in found[:4])
    more = f" and {len(found) - 4} more" if len(found) > 4 else ""
    raise UserError(f"{name}: several runs are meant: {names}{more}")


def _narrow(outputs: Path, folders: list[Path], above: list[str]) -> list[Path]:
    """Keep the folders that the parts name; a whole name wins over a part of others."""
    if above:
        names = {f: {f.name, f.name.rpartition("-")[0]} for f in folders}
        names = {f: own | {name.rpartition("=")[2] for name in own} for f, own in names.items()}
        folders = _best(folders, names, above[-1])
    if len(above) > 1:  # an experiment's name may have parts of its own
        names = {f: {_experiment(outputs, f), f.parent.name} for f in folders}
        folders = _best(folders, names, "/".join(above[:-1]))
    return folders


def _experiment(outputs: Path, condition: Path) -> str:
    return condition.parent.relative_to(outputs).as_posix()


def _best(folders: list[Path], names: dict[Path, set[str]], wanted: str) -> list[Path]:
    whole = [folder for folder in folders if wanted in names[folder]]
    return whole or [f for f in folders if any(wanted in name for name in names[f])]


def overview(outputs: Path) -> tuple[list[Plain], list[str]]:
    """Return a row per condition, and a line per damaged file.

    A row holds experiment, condition, folder, finished and requested seeds, the number of runs in
    each state, the date of the newest result, and each seed's headline numbers.
    """
    rows, damaged = [], []
    for condition in conditions(outputs):
        found = held(condition)
        if found.damage:
            damaged.append(found.damage)
        results, newest = [], 0.0
        name = found.record.get("condition", condition.name.rpartition("-")[0])
        cells = found.cells()
        for directory, state in cells:
            if state != "finished":
                continue
            try:
                summary = store.read_summary(directory)
            except store.Damaged as error:
                damaged.append(str(error))
                continue
            results.append(summary["results"])
            name = summary["condition"]
            newest = max(newest, (directory / store.MARKER).stat().st_mtime)
        states = Counter(cell.state for cell in cells)
        rows.append(
            {
                "experiment": _experiment(outputs, condition),
                "condition": name,
                "folder": str(condition),
                "done": states["finished"],
                "seeds": len(cells),
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
    """Return one run: state, config, summary (empty until it has finished) and curves.

    Raises:
        Damaged: one of its files cannot be read.
    """
    steps = run / "steps.parquet"
    curves: dict[str, list[float]] = {}
    if steps.is_file():
        try:
            # At once: a resumed run puts a newer file in its place.
            table = pl.read_parquet(BytesIO(steps.read_bytes()))
        except (pl.exceptions.PolarsError, OSError) as error:
            raise store.Damaged(f"{steps}: cannot be read ({type(error).__name__})") from error
        numbers = table.select(selectors.numeric())
        names = [name for name in numbers.columns if name.count("/") == 1]
        curves = {name: numbers[name].drop_nulls().to_list() for name in names}
    state = store.state(run)
    return {
        "run": str(run),
        "state": state,
        "summary": store.read_summary(run) if state == "finished" else {},
        "config": store.read_config(run) if (run / "config.yaml").is_file() else {},
        "curves": curves,
    }
