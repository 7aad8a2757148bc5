"""Conditions and runs under outputs/: their states, their results, and lookup by name."""

import re
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import fmean

import polars as pl
from polars import selectors

from subliminal import metrics, store
from subliminal.config.resources import user_path
from subliminal.errors import UserError, no_folder
from subliminal.store.records import Plain
from subliminal.store.tables import read_table


@dataclass(frozen=True)
class Held:
    """The seeds and the record of a condition folder."""

    directory: Path
    seeds: tuple[int, ...]  # ascending: those with a folder, and recorded ones without
    record: Plain  # see `store.read_condition`; empty if there is none, or a damaged one
    damage: str | None  # one line on a damaged record

    @property
    def runs(self) -> list[Path]:
        """Return the run folders, some of which may not exist."""
        return [store.run_dir(self.directory, seed) for seed in self.seeds]


def held(condition: Path) -> Held:
    """Read a condition folder; of a damaged record, keep one line and find the runs anyway."""
    seeds = {seed for run in store.run_dirs(condition) if (seed := store.seed_of(run)) is not None}
    try:
        record, damage = store.read_condition(condition), None
    except store.Damaged as error:
        record, damage = {}, str(error)
    return Held(condition, tuple(sorted(seeds | set(record.get("seeds", ())))), record, damage)


def conditions(outputs: Path, *, copies: bool = False) -> list[Path]:
    """Return the condition folders below `outputs`, in order; with `copies`, their copies instead.

    Raises:
        UserError: `outputs` is no folder.
    """
    if not outputs.is_dir():
        raise no_folder(outputs)
    found = store.condition_dirs(outputs)
    return [folder for folder in found if (store.original(folder) is not None) == copies]


def find(outputs: Path, name: str) -> Path:
    """Return the folder of the only run below `outputs` that `name` fits.

    It is a run's folder, or [[experiment/]condition/]seed. Experiments are chosen first, then their
    conditions: by a whole name, else by its whole parts, else by its beginning.

    Raises:
        UserError: no run fits, or several do; the line names them.
    """
    path = user_path(name)
    if path.is_dir() and store.seed_of(path.resolve()) is not None:
        return path
    *above, seed = name.strip("/").split("/")
    digits = seed.removeprefix("seed-")
    if not re.fullmatch(r"\d{1,19}", digits, re.ASCII):
        raise UserError(f"{name}: neither a run's folder nor experiment/condition/seed")
    fitting = _fitting(outputs, above)
    runs = [store.run_dir(condition, int(digits)) for condition in fitting]
    found = [run for run in runs if store.state(run) != "missing"]
    if len(found) == 1:
        return found[0]
    if not found:
        raise UserError(f"{name}: no such run below {outputs}; list them without arguments")
    names = [str(run.relative_to(outputs)) for run in found[:4]] + ["…"] * (len(found) > 4)
    raise UserError(f"{name}: several runs fit: {', '.join(names)}")


def _fitting(outputs: Path, above: list[str]) -> list[Path]:
    """Return the condition folders that fit the parts of a name above the seed."""
    folders = conditions(outputs)
    if len(above) > 1:
        words = {folder: folder.parent.relative_to(outputs).parts for folder in folders}
        # The ends of an experiment's name, the whole first: `a/b/c`, `b/c` and `c`.
        ends = {f: ["/".join(of[start:]) for start in range(len(of))] for f, of in words.items()}
        folders = _best("/".join(above[:-1]), {f: (of[:1], of) for f, of in ends.items()})
    if above:
        named = {}
        for folder in folders:
            name = folder.name.rpartition("-")[0]
            overrides = name.split(",")
            values = [override.rpartition("=")[2] for override in overrides]
            named[folder] = [folder.name, name, ",".join(values)], [*overrides, *values]
        folders = _best(above[-1], named)
    return folders


def _best(wanted: str, named: dict[Path, tuple[list[str], list[str]]]) -> list[Path]:
    """Return the folders of which `wanted` is a name, or else a part, or else the beginning."""
    for kind in (0, 1):
        if fitting := [folder for folder, of in named.items() if wanted in of[kind]]:
            return fitting
    return [f for f, of in named.items() if any(n.startswith(wanted) for n in (*of[0], *of[1]))]


def overview(outputs: Path) -> tuple[list[Plain], list[str]]:
    """Return a row per condition, and a line per damaged file.

    A row holds experiment, condition, folder, the number of finished and of all seeds, the number
    in each state, the date of the newest result, notes, config, and each seed's results, with the
    mean of the alignment over its epochs.
    """
    rows, damaged = [], []
    for condition in conditions(outputs):
        found = held(condition)
        damaged += [found.damage] if found.damage else []
        if not found.seeds:  # archived or deleted
            continue
        results, newest = [], 0.0
        name = found.record.get("condition", condition.name.rpartition("-")[0])
        states = {run: store.state(run) for run in found.runs}
        for run in (run for run, state in states.items() if state == "finished"):
            try:
                summary = store.read_summary(run)
            except store.Damaged as error:
                damaged.append(str(error))
                continue
            results.append(summary["results"])
            if alignments := results[-1].get(f"{metrics.ALIGNMENT}_by_epoch"):
                results[-1][metrics.ALIGNMENT] = fmean(alignments)
            name = summary["condition"]
            newest = max(newest, (run / store.MARKER).stat().st_mtime)
        counts = Counter(states.values())
        notes = [store.read_notes(run) for run in found.runs]
        said = [word for one in notes for word in (one["note"], *one["tags"])]
        rows.append(
            {
                "experiment": condition.parent.relative_to(outputs).as_posix(),
                "condition": name,
                "folder": str(condition),
                "done": counts["finished"],
                "seeds": len(states),
                "states": dict(counts),
                "date": datetime.fromtimestamp(newest).isoformat(" ", "minutes") if newest else "",
                "notes": ", ".join(dict.fromkeys(filter(None, said))),
                "config": found.record.get("config", {}),
                "results": results,
            }
        )
    return rows, damaged


def describe(run: Path) -> Plain:
    """Return one run: state, config, summary (empty until it has finished) and curves.

    Raises:
        Damaged: one of its files cannot be read.
    """
    steps = run / "steps.parquet"
    curves: dict[str, list[float]] = {}
    if steps.is_file():
        try:
            table = read_table(steps)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise store.Damaged(f"{steps}: cannot be read ({type(error).__name__})") from error
        numbers = table.select(selectors.numeric())
        names = [name for name in numbers.columns if name.count("/") == 1]
        curves = {name: numbers[name].drop_nulls().to_list() for name in names}
    state = store.state(run)
    return {
        "state": state,
        "notes": store.read_notes(run),
        "summary": store.read_summary(run) if state == "finished" else {},
        "config": store.read_config(run) if (run / "config.yaml").is_file() else {},
        "curves": curves,
    }
