"""Read the runs below folders into sweeps; leave out damaged runs, and name them."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import polars.selectors as cs
from polars.exceptions import PolarsError, SchemaError

from subliminal import metrics, store
from subliminal.errors import UserError, no_folder
from subliminal.report import varied
from subliminal.report.conditions import LAYER, STEP_METRICS, Condition, States, Sweep
from subliminal.store.inventory import Held, held
from subliminal.store.tables import read_table


def load(
    paths: Sequence[Path], *, together: bool = False, baseline: Sequence[str] = ()
) -> list[Sweep]:
    """Read the finished runs below `paths`, by experiment folder.

    Args:
        paths: folders of runs, conditions or experiments, or above these.
        together: put the conditions of all experiments into one sweep.
        baseline: words `key=value` of the condition with which the others are compared.

    Raises:
        UserError: one of the paths does not exist, has no finished run below it, or a sweep has
            no such baseline.
    """
    experiments: dict[Path, dict[Path, Held]] = {}
    for path in paths:
        if not path.exists():
            raise no_folder(path)
        below = list(_chosen(path))
        for one in below:
            condition = one.directory
            above = condition / ".." if condition.name in ("", "..") else condition.parent
            others = experiments.setdefault(above, {})
            seeds = {*one.seeds, *others.get(condition, one).seeds}
            others[condition] = replace(one, seeds=tuple(sorted(seeds)))
        if not _any_finished(below):
            raise UserError(f"{path}: no finished run below; train first")
    if together:
        everything = [one for of in experiments.values() for one in of.values()]
        name = "+".join(sorted(folder.name for folder in experiments))
        return [_sweep(name, Path(name), everything, baseline)]
    return [
        _sweep(_name(folder, of.values()), folder, list(of.values()), baseline)
        for folder, of in sorted(experiments.items())
        if _any_finished(of.values())
    ]


def _chosen(path: Path) -> Iterator[Held]:
    """Yield the conditions at or below a path, whatever kind of folder it is."""
    run = path if store.seed_of(path) is not None else path.resolve()
    if (seed := store.seed_of(run)) is not None:
        yield replace(held(run.parent), seeds=(seed,))
        return
    for condition in store.condition_dirs(path):
        # A copy below the path would be compared with its original.
        if condition == path or store.original(condition) is None:
            yield held(condition)


def _any_finished(conditions: Iterable[Held]) -> bool:
    return any(store.finished(run) for one in conditions for run in one.runs)


def _name(folder: Path, conditions: Iterable[Held]) -> str:
    """Return the recorded name of an experiment (`a/b`); of a moved folder, the folder's name."""
    place = folder.resolve()
    names = [one.record.get("config", {}).get("name") for one in conditions]
    return next((n for n in names if n and f"{place}".endswith(f"/{n}")), place.name)


def _sweep(name: str, directory: Path, chosen: Sequence[Held], words: Sequence[str]) -> Sweep:
    problems: list[str] = []
    planned: States = {}
    conditions: list[Condition] = []
    for one in sorted(chosen, key=lambda one: one.directory):
        if one.damage:
            problems.append(one.damage)
        condition, of_folder = _condition(one, problems)
        planned |= of_folder
        conditions += [condition] if condition else []
    if not conditions:
        raise UserError(f"{directory}: every finished run is damaged ({'; '.join(problems)})")
    values = varied.swept([c.config for c in conditions])
    if words and not any(varied.is_baseline(c.config, words) for c in conditions):
        there = "; ".join(f"{key}: {varied.summarise(found)}" for key, found in values.items())
        raise UserError(f"--baseline {' '.join(words)}: not in {name}; there varies {there}")
    ordered = sorted(_named(conditions, list(values)), key=lambda c: varied.order(c.config, values))
    for wanted in ((), words):  # a stable sort: of those that have the words, the usual one
        ordered.sort(key=lambda c: not varied.is_baseline(c.config, wanted))
    values = varied.swept([c.config for c in ordered])  # the baseline's first
    return Sweep(name, directory, ordered, values, planned, problems)


def _named(conditions: list[Condition], keys: list[str]) -> list[Condition]:
    """Name conditions by the keys that vary; add experiment, hash or path to equal names."""
    names = [varied.label(condition.config, keys) or condition.name for condition in conditions]
    for distinct in (
        [c.directory.resolve().parent.name for c in conditions],
        [c.digest for c in conditions],
        [str(c.directory) for c in conditions],
    ):
        marks = Counter(name for name, _ in set(zip(names, distinct, strict=True)))
        names = [
            f"{name} ({mark})" if marks[name] > 1 else name
            for name, mark in zip(names, distinct, strict=True)
        ]
    return [replace(c, name=name) for c, name in zip(conditions, names, strict=True)]


def _condition(chosen: Held, problems: list[str]) -> tuple[Condition | None, States]:
    """Read a condition's finished runs; leave out damaged ones, and name them in `problems`."""
    states: States = {run: store.state(run) for run in chosen.runs}
    summaries: dict[Path, dict[str, Any]] = {}  # of the runs that are not left out

    def leave_out(file: Path, reason: object) -> None:
        states[file.parent] = "damaged"
        del summaries[file.parent]
        first = (str(reason).splitlines() or [type(reason).__name__])[0]
        problems.append(f"{file}: cannot be read ({first[:100]})")

    for run in [run for run, state in states.items() if state == "finished"]:
        try:
            summaries[run] = store.read_summary(run)
        except store.Damaged as error:
            states[run] = "damaged"
            problems.append(str(error))
    tables = {}
    for table, (needed, columns) in _TABLES.items():
        files = [run / f"{table}.parquet" for run in summaries]
        tables[table] = _read(files, needed, columns, leave_out)
    for run in _cut_short(tables["epochs"], list(summaries)):
        leave_out(run / "epochs.parquet", "no results of the last epoch")
    if not summaries:
        return None, states
    seeds = [summary["seed"] for summary in summaries.values()]
    ours = {name: of.filter(pl.col("seed").is_in(seeds)) for name, of in tables.items()}
    student, teacher = (
        ours["epochs"].filter(pl.col("phase") == phase).sort("seed", "step")
        for phase in ("student", "teacher")
    )
    first = next(iter(summaries))
    config = chosen.record.get("config", {})
    with suppress(store.Damaged):  # a folder without a record has a copy in each run
        config = config or store.read_config(first)
    condition = Condition(
        name=summaries[first]["condition"],
        seeds=tuple(seeds),
        steps=ours["steps"].sort("seed", "step"),
        epochs=student,
        teacher=teacher,
        summaries=list(summaries.values()),
        config=varied.flatten(config),
        directory=chosen.directory,
        planned=states,
        preset=config.get("preset"),
    )
    return condition, states


# Each table's required columns, and the columns to read.
_PLACE = ("seed", "step", "epoch")
_RESULTS = (metrics.TEACHER_ACCURACY, metrics.TRAIT_ACCURACY, metrics.DISTILL_LOSS)
_KEPT = cs.by_name(*_PLACE, *STEP_METRICS, require_all=False) | cs.starts_with(LAYER)
_TABLES: dict[str, tuple[Sequence[str], pl.Expr]] = {
    "steps": (_PLACE, _KEPT),
    "epochs": ((*_PLACE, "phase", *_RESULTS), pl.all()),
}


def _read(
    files: list[Path],
    needed: Sequence[str],
    columns: pl.Expr,
    leave_out: Callable[[Path, object], None],
) -> pl.DataFrame:
    """Read tables at once if all are alike and whole, else one by one."""
    with suppress(OSError, PolarsError, IndexError):
        whole = [file.absolute() for file in files]  # Polars expands a `~` at the start
        _check(pl.read_parquet_schema(whole[0]), needed)
        # A scan reads only the selected columns; it fails where seeds have other columns.
        return pl.scan_parquet(whole, glob=False).select(columns).collect()
    frames = [pl.DataFrame()]
    for file in files:
        try:
            frame = read_table(file)
            _check(frame.schema, needed)
            frames.append(frame.select(columns))
        except (OSError, PolarsError) as error:
            leave_out(file, error)
    return pl.concat(frames, how="diagonal_relaxed")


def _check(schema: Mapping[str, pl.DataType], needed: Sequence[str]) -> None:
    """Raise SchemaError if a needed column is missing or of a wrong type."""
    for name in needed:
        kind = schema.get(name)
        if kind is None or not (kind == pl.String if name == "phase" else kind.is_numeric()):
            raise SchemaError(f"column {name}: {kind or 'missing'}")


def _cut_short(epochs: pl.DataFrame, runs: Sequence[Path]) -> list[Path]:
    """Return the runs that have no results in their condition's last epoch."""
    if not epochs.height:
        return []
    student = epochs.filter(pl.col("phase") == "student")
    last = student.filter(pl.col("epoch") == student["epoch"].max())
    complete = set(last.drop_nulls([metrics.TRAIT_ACCURACY, metrics.DISTILL_LOSS])["seed"])
    return [run for run in runs if store.seed_of(run) not in complete]
