"""The runs below folders as tables, by sweep and condition, and what is wrong with them."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from polars.exceptions import PolarsError
from yaml import YAMLError

from subliminal import metrics, store
from subliminal.errors import UserError
from subliminal.report import varied

_SEED = re.compile(r"seed-(\d+)")
# A report over ten thousand runs has no room for every metric of every step.
STEP_METRICS = (
    metrics.ALIGNMENT,
    metrics.ALIGNMENT_NULL,
    metrics.ALIGNMENT_FULL,
    metrics.UPDATE_ALIGNMENT,
    metrics.LEDGER_PREDICTED,
    metrics.LEDGER_ACTUAL,
    metrics.LEDGER_DISTILL,
    metrics.LEDGER_PENALTY,
    metrics.LEDGER_INTERVENTION,
    metrics.total(metrics.LEDGER_ACTUAL),
    metrics.total(metrics.LEDGER_PREDICTED),
    metrics.DISTILL_LOSS,
)
LAYER = f"{metrics.ALIGNMENT}/"  # what the names of single layers' alignment start with

CHANCE = 0.1  # accuracy of a guess among ten digits
WINDOW = 15  # steps of the centred moving average of alignments

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Cell:
    """One run that was asked for: a condition and a seed."""

    directory: Path
    seed: int
    state: str  # finished | failed | running | partial | missing | damaged


@dataclass(frozen=True)
class Condition:
    """One condition's finished runs."""

    name: str  # what sets it apart: the values of the keys that vary
    seeds: tuple[int, ...]
    steps: pl.DataFrame  # a row per seed and step
    epochs: pl.DataFrame  # a row per seed and epoch of the student
    teacher: pl.DataFrame  # a row per seed and epoch of the teacher
    summaries: list[dict[str, Any]]  # in order of the seeds
    config: varied.Flat = field(default_factory=dict)
    directory: Path = Path()
    cells: tuple[Cell, ...] = ()  # finished or not

    def final(self, metric: str) -> dict[int, float]:
        """Return each seed's value at the end of the last epoch."""
        last = self.epochs.filter(pl.col("epoch") == self.epochs["epoch"].max())
        return dict(zip(last["seed"].to_list(), last[metric].to_list(), strict=True))

    def over_run(self, metric: str) -> dict[int, float]:
        """Return each seed's mean over all steps."""
        return self._over(pl.col(metric).mean())

    def total(self, metric: str) -> dict[int, float]:
        """Return each seed's sum over all steps."""
        return self._over(pl.col(metric).sum())

    def _over(self, value: pl.Expr) -> dict[int, float]:
        table = self.steps.group_by("seed").agg(value.alias("value")).sort("seed")
        return dict(zip(table["seed"].to_list(), table["value"].to_list(), strict=True))

    def curve(self, table: pl.DataFrame, metric: str) -> tuple[Array, Array]:
        """Return the points where `metric` was measured, in epochs, and its values (seeds, n).

        Where seeds were measured at different points, those that all have are taken.
        """
        measured = table.filter(pl.col(metric).is_not_null()).sort("seed", "step")
        seeds = measured["seed"].n_unique()
        if measured.height % max(1, seeds) or measured["step"].n_unique() * seeds > measured.height:
            common = measured.group_by("step").len().filter(pl.col("len") == seeds)["step"]
            measured = measured.filter(pl.col("step").is_in(common.implode()))
        values = measured[metric].to_numpy().astype(np.float64).reshape(seeds, -1)
        x = measured["epoch"].head(values.shape[1]).to_numpy().astype(np.float64)
        return x, values

    def layers(self) -> pl.DataFrame:
        """Return the mean alignment over seeds within each parameter tensor, a row per epoch."""
        names = [name for name in self.epochs.columns if name.startswith(LAYER)]
        known = self.epochs.drop_nulls(names[:1]) if names else self.epochs.clear()
        return known.group_by("epoch").agg(pl.col(names).mean()).sort("epoch")

    def logged(self, metric: str) -> bool:
        """Tell whether `metric` was measured at steps."""
        return metric in self.steps.columns and self.steps[metric].count() > 0


@dataclass(frozen=True)
class Sweep:
    """Conditions that are reported together, paired by seed; the baseline comes first."""

    name: str
    directory: Path
    conditions: list[Condition]
    swept: dict[str, list[varied.Value]]
    cells: list[Cell]
    problems: list[str]  # one line for each damaged run

    @property
    def baseline(self) -> Condition:
        """Return the condition that the others are compared with."""
        return self.conditions[0]

    @property
    def digest(self) -> str:
        """Return eight digits that name the configs and seeds reported on."""
        names = [f"{c.directory.name[-8:]}:{c.seeds}" for c in self.conditions]
        return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()[:8]

    def where(self, **values: varied.Value) -> Condition | None:
        """Return the condition with these config values (`__` stands for a dot).

        In the other keys that vary it has the baseline's values, so that it differs from the
        baseline in `values` alone.
        """
        wanted: varied.Flat = {key.replace("__", "."): value for key, value in values.items()}
        wanted |= {
            key: self.baseline.config.get(key)
            for key in self.swept
            if key != "probe" and not any(f"{key}.".startswith(f"{own}.") for own in wanted)
        }
        for condition in self.conditions:
            if all(condition.config.get(key) == value for key, value in wanted.items()):
                return condition
        return None

    def states(self) -> dict[str, int]:
        """Return how many cells there are of each state but finished ones, if any."""
        found = Counter(cell.state for cell in self.cells)
        order = ("failed", "running", "partial", "missing", "damaged")
        return {state: found[state] for state in order if found[state]}

    def incomplete(self) -> list[str]:
        """Return one line for each state and condition that has runs without results."""
        lines: dict[tuple[str, str], list[int]] = {}
        for cell in self.cells:
            if cell.state not in ("finished", "damaged"):
                lines.setdefault((cell.state, cell.directory.parent.name), []).append(cell.seed)
        return [
            f"{state}: {condition}, seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
            for (state, condition), seeds in sorted(lines.items())
        ]

    def few(self, most: int) -> list[Condition]:
        """Return at most `most` conditions: the baseline, and others spread over accuracy."""
        rest = self.conditions[1:]
        if len(rest) < most:
            return self.conditions
        final = [np.mean(list(c.final(metrics.TRAIT_ACCURACY).values())) for c in rest]
        places = np.argsort(final, kind="stable")[
            np.linspace(0, len(rest) - 1, most - 1).astype(int)
        ]
        return [self.baseline, *(rest[place] for place in sorted(places))]


def smooth(x: Array, values: Array) -> tuple[Array, Array]:
    """Average each seed's curve (seeds, points) over WINDOW steps; incomplete ends are dropped."""
    window = min(WINDOW, len(x))
    kernel = np.full(window, 1 / window)
    curves = np.stack([np.convolve(row, kernel, mode="valid") for row in values])
    return np.convolve(x, kernel, mode="valid"), curves


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
            for condition in sorted(conditions):
                runs = {run for run in condition.glob("seed-*") if _SEED.fullmatch(run.name)}
                asked = _recorded(condition).get("seeds", [])
                yield from sorted(runs | {store.run_dir(condition, seed) for seed in asked})
            return


def _recorded(condition: Path) -> dict[str, Any]:
    try:
        return store.read_condition(condition)
    except (OSError, ValueError):
        return {}


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
    ordered = sorted(named, key=lambda condition: not varied.is_baseline(condition.config))
    values = varied.swept([condition.config for condition in ordered])  # the baseline's first
    return Sweep(name, directory, ordered, values, cells, problems)


def _named(conditions: list[Condition], keys: list[str]) -> list[Condition]:
    """Name the conditions by what varies; what is still the same, by experiment or hash."""
    names = [varied.label(condition.config, keys) or condition.name for condition in conditions]
    for distinct in (_experiment, _hash, _path):
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


def _hash(condition: Condition) -> str:
    return condition.directory.name[-8:]


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
    if config := _recorded(folder).get("config"):
        return dict(config)
    try:  # a run of before conditions were recorded
        plain = OmegaConf.to_container(OmegaConf.load(run / "config.yaml"))
    except (OSError, ValueError, OmegaConfBaseException, YAMLError):
        return {}
    return {str(key): value for key, value in plain.items()} if isinstance(plain, dict) else {}


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
