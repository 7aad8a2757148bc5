"""The runs below folders read into sweeps; what cannot be read is named and left out."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from polars.exceptions import PolarsError
from yaml import YAMLError

from subliminal import store
from subliminal.errors import UserError
from subliminal.report import varied
from subliminal.report.runs import LAYER, STEP_METRICS, Cell, Condition, Sweep

_SEED = re.compile(r"seed-(\d+)")


def load(paths: Sequence[Path], *, together: bool = False) -> list[Sweep]:
    """Read the finished runs below `paths`, by experiment; those of one name never collide.

    Args:
        paths: run, condition or experiment folders, or folders of experiments.
        together: make one sweep of all, with conditions of several experiments.

    Raises:
        UserError: below one of the paths there is no finished run.
    """
    experiments: dict[Path, dict[Path, set[Path]]] = {}
    for path in paths:
        found = list(_run_dirs(path))
        for run in found:
            condition = run.parent
            experiments.setdefault(condition.parent, {}).setdefault(condition, set()).add(run)
        if not any(store.finished(run) for run in found):
            raise UserError(f"{path}: no finished run below; train first")
    if together:
        everything = {c: runs for folder in experiments.values() for c, runs in folder.items()}
        name = "+".join(sorted(folder.name for folder in experiments))
        return [_sweep(name, Path(name), everything)]
    # Of several experiments, those that have yet to finish a run are left out.
    return [
        _sweep(folder.resolve().name, folder, conditions)
        for folder, conditions in experiments.items()
        if any(store.finished(run) for runs in conditions.values() for run in runs)
    ]


def _run_dirs(path: Path) -> Iterator[Path]:
    """Yield the runs below `path` that were made or asked for, whatever kind of folder it is."""
    if _SEED.fullmatch(path.resolve().name):
        yield path
        return
    for pattern in ("", "*/", "*/*/"):
        conditions = {run.parent for run in path.glob(f"{pattern}seed-*") if run.is_dir()}
        conditions |= {file.parent for file in path.glob(f"{pattern}{store.CONDITION}")}
        if conditions:
            # A copy says nothing new, and would be compared with what it is a copy of.
            for condition in sorted(c for c in conditions if not pattern or not store.original(c)):
                runs = {run for run in condition.glob("seed-*") if _SEED.fullmatch(run.name)}
                asked = store.recorded(condition).get("seeds", [])
                yield from sorted(runs | {store.run_dir(condition, seed) for seed in asked})
            return


def _sweep(name: str, directory: Path, folders: dict[Path, set[Path]]) -> Sweep:
    problems: list[str] = []
    cells: list[Cell] = []
    conditions = []
    for folder in sorted(folders):
        runs = sorted(folders[folder], key=_seed)
        condition, of_folder = _condition(folder, runs, problems)
        cells += of_folder
        if condition is not None:
            conditions.append(condition)
    if not conditions:
        raise UserError(f"{directory}: every finished run is damaged ({'; '.join(problems)})")
    named = _named(conditions, list(varied.swept([condition.config for condition in conditions])))
    values = varied.swept([c.config for c in named])
    ordered = sorted(
        named, key=lambda c: (not varied.is_baseline(c.config), varied.order(c.config, values))
    )
    values = varied.swept([c.config for c in ordered])  # the baseline's first
    return Sweep(name, directory, ordered, values, cells, problems)


def _named(conditions: list[Condition], keys: list[str]) -> list[Condition]:
    """Name the conditions by what varies; what is still the same, by experiment or hash."""
    names = [varied.label(condition.config, keys) or condition.name for condition in conditions]
    for distinct in (_experiment, _digest, _path):
        shared: dict[str, set[str]] = {}
        for name, condition in zip(names, conditions, strict=True):
            shared.setdefault(name, set()).add(distinct(condition))
        double = {name for name, number in Counter(names).items() if number > 1}
        names = [
            f"{name} ({distinct(c)})" if name in double and len(shared[name]) > 1 else name
            for name, c in zip(names, conditions, strict=True)
        ]
    return [replace(c, name=name) for c, name in zip(conditions, names, strict=True)]


def _experiment(condition: Condition) -> str:
    return condition.directory.resolve().parent.name


def _digest(condition: Condition) -> str:
    return condition.digest


def _path(condition: Condition) -> str:
    return str(condition.directory)


def _condition(
    folder: Path, runs: list[Path], problems: list[str]
) -> tuple[Condition | None, list[Cell]]:
    """Read one condition's finished runs; a damaged one is told in `problems` and left out."""
    states = {run: store.state(run) for run in runs}
    summaries: dict[Path, dict[str, Any]] = {}
    for run in [run for run, state in states.items() if state == "finished"]:
        try:
            summaries[run] = store.read_summary(run)
            summaries[run]["condition"]
            if (seed := summaries[run].get("seed", _seed(run))) != _seed(run):
                raise ValueError(f"it is of seed {seed}")
        except (OSError, ValueError, KeyError, TypeError) as error:
            _damaged(run, store.MARKER, error, states, problems)
    tables = {}
    for table, columns in (("steps", _step_columns), ("epochs", None)):
        frames, bad = _read(
            [run / f"{table}.parquet" for run in runs if _good(states, run)], columns
        )
        for file, reason in bad:
            _damaged(file.parent, file.name, reason, states, problems)
        tables[table] = frames
    finished = [run for run in runs if _good(states, run)]
    cells = [Cell(run, _seed(run), states[run]) for run in runs]
    if not finished:
        return None, cells
    seeds = [_seed(run) for run in finished]
    steps, epochs = (
        tables[name].filter(pl.col("seed").is_in(seeds)) for name in ("steps", "epochs")
    )
    condition = Condition(
        name=summaries[finished[0]]["condition"],
        seeds=tuple(seeds),
        steps=steps.sort("seed", "step"),
        epochs=epochs.filter(pl.col("phase") == "student").sort("seed", "step"),
        teacher=epochs.filter(pl.col("phase") == "teacher").sort("seed", "step"),
        summaries=[summaries[run] for run in finished],
        config=varied.flatten(config_of(folder, finished[0])),
        directory=folder,
        cells=tuple(cells),
    )
    return condition, cells


def config_of(folder: Path, run: Path) -> dict[str, Any]:
    """Return a condition's resolved config, from its folder's record or else from a run's copy."""
    record = store.recorded(folder)
    config: dict[str, Any] = record.get("config") or {}
    if config and ("identity" in record or len(config.get("mitigation", ())) < 2):
        return config
    try:  # of before conditions were recorded, or with mitigations in an order of their own
        plain = OmegaConf.to_container(OmegaConf.load(run / "config.yaml"))
    except (OSError, ValueError, OmegaConfBaseException, YAMLError):
        return config
    return {str(key): value for key, value in plain.items()} if isinstance(plain, dict) else config


def _good(states: Mapping[Path, str], run: Path) -> bool:
    return states[run] == "finished"


def _damaged(
    run: Path, file: str, error: Exception, states: dict[Path, Any], problems: list[str]
) -> None:
    states[run] = "damaged"
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    problems.append(f"{run}: {file} cannot be read ({reason[:100]})")


def _step_columns(names: list[str]) -> list[str]:
    kept = {"seed", "step", "epoch", *STEP_METRICS}
    return [name for name in names if name in kept or name.startswith(LAYER)]


def _read(files: list[Path], columns: Any) -> tuple[pl.DataFrame, list[tuple[Path, Exception]]]:
    """Read tables at once where they are alike and whole, else one by one; name the bad ones."""
    if not files:
        return pl.DataFrame(), []
    try:
        names = list(pl.read_parquet_schema(files[0]))
        kept = columns(names) if columns else names
        # Lazily: the columns that are not wanted are never read. A seed may lack what others have.
        return pl.scan_parquet(files, glob=False).select(kept).collect(), []
    except (OSError, PolarsError):
        pass
    frames: list[pl.DataFrame] = []
    bad: list[tuple[Path, Exception]] = []
    for file in files:
        try:
            frame = pl.read_parquet(file, glob=False)
            frames.append(frame.select(columns(frame.columns)) if columns else frame)
            frames[-1].select("seed", "step", "epoch")
        except (OSError, PolarsError) as error:
            bad.append((file, error))
    return (pl.concat(frames, how="diagonal_relaxed") if frames else pl.DataFrame()), bad


def _seed(run: Path) -> int:
    match = _SEED.fullmatch(run.resolve().name)
    assert match is not None
    return int(match[1])
