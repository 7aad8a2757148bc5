"""The numbers behind a published page: one Parquet file, a row for each run.

A run's row holds its tables as lists, so pages and notebooks need no other file. The columns are
described in `docs/data/README.md`.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from polars.exceptions import PolarsError

from subliminal import metrics, store
from subliminal.config import terminal
from subliminal.errors import UserError
from subliminal.report import varied
from subliminal.report.conditions import STEP_METRICS, Condition, Sweep, training_seconds
from subliminal.report.read import load
from subliminal.report.tables import teacher_accuracies

KEYS = ("sweep", "condition", "seed")  # they identify a run
TABLES = ("teacher", "epochs", "steps")
MEASURED = (  # headline numbers
    "accuracy",  # trait accuracy at the end
    "teacher_accuracy",
    "distill_loss",  # mean over the last epoch
    "alignment",  # mean over the run
    "alignment_epoch_1",
    "positive_steps",  # the share of steps with a positive alignment
    "displacement",  # cos(θ_S − θ₀, θ_T − θ₀) at the end
)
RUNS: dict[str, Any] = {
    "sweep": pl.String,
    "condition": pl.String,  # the values of the keys that vary
    "config": pl.String,  # the end of the condition's folder's name
    "seed": pl.Int64,
    **dict.fromkeys(MEASURED, pl.Float64),
    "settings": pl.String,  # the resolved config by dotted key, as JSON
    "commit": pl.String,
    "processor": pl.String,
    "device": pl.String,
    "threads": pl.Int64,
    "torch": pl.String,
    "seconds": pl.Float64,  # that the student took
}


@dataclass(frozen=True)
class Published(Condition):
    """A condition whose steps are kept only as means over them."""

    runs: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=RUNS))

    def logged(self, metric: str) -> bool:
        """Tell whether `metric` was measured at steps, and is kept."""
        return metric == metrics.ALIGNMENT and self.runs["alignment"].count() > 0

    def over_run(self, metric: str) -> dict[int, float]:
        """Return each seed's mean over all steps, of the alignment."""
        return self._kept({metrics.ALIGNMENT: "alignment"}[metric])

    def positive(self, metric: str) -> dict[int, float]:
        """Return the share of each seed's steps at which the alignment was positive."""
        return self._kept({metrics.ALIGNMENT: "positive_steps"}[metric])

    def _kept(self, column: str) -> dict[int, float]:
        return dict(self.runs.select("seed", column).iter_rows())


class Size(NamedTuple):
    """The extent of a sweep's runs."""

    conditions: int
    seeds: int  # of the condition that has the fewest


@dataclass(frozen=True)
class Archive:
    """Runs, and one table of each kind over all runs; KEYS identify the run of a row."""

    runs: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=RUNS))
    tables: Mapping[str, pl.DataFrame] = field(default_factory=dict)

    @classmethod
    def read(cls, file: Path) -> "Archive":
        """Read a file; without one the archive is empty.

        Raises:
            UserError: it is not such a file.
        """
        if not file.exists():
            return cls()
        try:
            nested = pl.read_parquet(file, glob=False)
            tables = {name: _unnest(nested, name) for name in TABLES if name in nested.columns}
            return cls(nested.select(pl.col(name).cast(of) for name, of in RUNS.items()), tables)
        except (OSError, PolarsError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"{file}: not a table of published runs ({reason})") from error

    @classmethod
    def of(cls, name: str, sweep: Sweep, *, steps: bool) -> "Archive":
        """Return the archive of a sweep's finished runs.

        Args:
            name: of the sweep.
            sweep: its runs; no two conditions are named alike.
            steps: keep the tables of steps too, not only means over them.
        """
        rows = [row for condition in sweep.conditions for row in _rows(name, condition)]
        tables: dict[str, list[pl.DataFrame]] = {}
        for c in sweep.conditions:
            keys = (pl.lit(name).alias("sweep"), pl.lit(c.name).alias("condition"), "seed")
            kept = {"teacher": c.teacher, "epochs": c.epochs}
            if steps:
                shown = [metric for metric in STEP_METRICS if metric in c.steps.columns]
                kept["steps"] = c.steps.select("seed", "step", "epoch", *shown)
            for table, of in kept.items():
                tables.setdefault(table, []).append(
                    of.pipe(_measured).select(*keys, pl.exclude("seed", "phase"))
                )
        return cls(pl.DataFrame(rows, schema=RUNS), {t: _join(of) for t, of in tables.items()})

    def write(self, file: Path) -> None:
        """Write the file; `read` returns the same archive."""
        nested = self.runs
        for name, table in self.tables.items():
            values = pl.struct(pl.exclude(KEYS)).alias(name)
            lists = _compact(table).group_by(KEYS, maintain_order=True).agg(values)
            nested = nested.join(lists, on=KEYS, how="left", maintain_order="left")
        file.parent.mkdir(parents=True, exist_ok=True)
        store.write_atomically(file, lambda path: nested.write_parquet(path, compression_level=19))

    def _replace(self, other: "Archive") -> "Archive":
        theirs = pl.col("sweep").is_in(other.runs["sweep"].unique().to_list())

        parts = {name: [of.filter(~theirs)] for name, of in self._all().items()}
        for name, of in other._all().items():
            parts.setdefault(name, []).append(of)
        joined = {name: _join(of).sort("sweep", maintain_order=True) for name, of in parts.items()}
        return Archive(joined.pop("runs"), joined)

    def _all(self) -> dict[str, pl.DataFrame]:
        return {"runs": self.runs, **self.tables}

    def fold(
        self, sweeps: Mapping[str, Sweep], sizes: Mapping[str, Size], *, steps: bool
    ) -> tuple["Archive", list[str]]:
        """Replace sweeps by their finished runs, unless these are fewer.

        Args:
            sweeps: finished runs, by their sweep's name.
            sizes: the least size of each sweep's runs.
            steps: see `of`.

        Returns:
            The new archive, and a line for each sweep that was kept.
        """
        archive, kept = self, []
        for name, sweep in sweeps.items():
            here, there = _size(len(c.seeds) for c in sweep.conditions), sizes[name]
            if here.conditions >= there.conditions and here.seeds >= there.seeds:
                archive = archive._replace(Archive.of(name, sweep, steps=steps))
            else:
                kept.append(
                    f"{name}, {there.conditions} conditions of at least {there.seeds} seeds; "
                    f"the runs at hand are of {here.conditions} and {here.seeds}"
                )
        return archive, kept

    def size(self, name: str) -> "Size":
        """Return the extent of a sweep's runs in the archive."""
        runs = self.runs.filter(pl.col("sweep") == name)
        return _size(runs.group_by("condition").len()["len"])

    def sweep(self, name: str) -> Sweep | None:
        """Return a sweep's runs for a report; None without their epochs."""
        runs = self.runs.filter(pl.col("sweep") == name)
        tables = {t: of.filter(pl.col("sweep") == name) for t, of in self.tables.items()}
        if "epochs" not in tables or not tables["epochs"].height:
            return None
        conditions = [
            _condition(of, {t: _measured(_of(label, table)) for t, table in tables.items()})
            for (label,), of in runs.group_by("condition", maintain_order=True)
        ]
        swept = varied.swept([condition.config for condition in conditions])
        return Sweep(name.replace("/", "_"), Path("outputs", name), conditions, swept, {}, [])


def found(names: Iterable[str], outputs: Sequence[Path]) -> dict[str, Sweep]:
    """Return the sweeps of these names, each from the first folder with finished runs of it."""
    sweeps: dict[str, Sweep] = {}
    for name in names:
        for folder in outputs:
            if name not in sweeps:
                with suppress(UserError):
                    (sweeps[name],) = load([folder / name])
    return sweeps


def command_line(page: str, write: Callable[..., list[str]], description: str | None) -> None:
    """Run the command that writes a page of docs/ by calling `write`."""
    terminal.settle()
    prog = f"python docs/generate/{Path(sys.argv[0]).name}"
    parser = argparse.ArgumentParser(prog=prog, description=description)
    parser.add_argument("outputs", type=Path, nargs="*", help="folders that hold sweeps' folders")
    parser.add_argument("--page", type=Path, default=Path(f"docs/{page}.md"), help="what to write")
    parser.add_argument(
        "--replace", action="store_true", help="even with fewer conditions or seeds"
    )
    arguments = parser.parse_args()
    try:
        kept = write(arguments.outputs, arguments.page, replace_all=arguments.replace)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    for line in kept:
        print(f"Kept as it was: {line} (--replace writes it)")
    print(f"Written: {arguments.page}")


def _size(seeds: Iterable[int]) -> Size:
    numbers = list(seeds)
    return Size(len(numbers), min(numbers, default=0))


def _rows(name: str, condition: Condition) -> Iterator[dict[str, Any]]:
    measured: dict[str, Mapping[int, float]] = {
        "accuracy": condition.accuracy,
        "teacher_accuracy": teacher_accuracies([condition]),
        "distill_loss": condition.final(metrics.DISTILL_LOSS),
    }
    if condition.logged(metrics.ALIGNMENT):
        measured["alignment"] = condition.over_run(metrics.ALIGNMENT)
        measured["alignment_epoch_1"] = condition.in_epoch(metrics.ALIGNMENT, 1)
        measured["positive_steps"] = condition.positive(metrics.ALIGNMENT)
    if metrics.DISPLACEMENT in condition.epochs.columns:
        measured["displacement"] = condition.final(metrics.DISPLACEMENT)
    for seed, summary in zip(condition.seeds, condition.summaries, strict=True):
        environment = summary["environment"]
        yield {
            "sweep": name,
            "condition": condition.name,
            "config": condition.digest,
            "seed": seed,
            **{column: of_seed[seed] for column, of_seed in measured.items()},
            "settings": json.dumps(condition.config),
            "commit": environment["git_commit"],
            "processor": environment["processor"],
            "device": summary["device"],
            "threads": summary["threads"],
            "torch": environment["packages"]["torch"],
            "seconds": training_seconds(summary),
        }


def _condition(runs: pl.DataFrame, tables: Mapping[str, pl.DataFrame]) -> Condition:
    first = runs.row(0, named=True)
    known: dict[str, Any] = {
        "name": first["condition"],
        "seeds": tuple(runs["seed"]),
        "steps": tables.get("steps", pl.DataFrame()),
        "epochs": tables["epochs"],
        "teacher": tables["teacher"],
        "summaries": [_summary(run) for run in runs.iter_rows(named=True)],
        "config": json.loads(first["settings"]),
        "directory": Path("outputs", first["sweep"], first["config"]),
    }
    return Condition(**known) if known["steps"].height else Published(**known, runs=runs)


def _summary(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a run's summary that pages use."""
    packages = {"torch": run["torch"]}
    environment = {"processor": run["processor"], "packages": packages, "git_commit": run["commit"]}
    facts = {name: run[name] for name in ("seed", "device", "threads")}
    return facts | {
        "stack": 1,
        "seconds": {"student": run["seconds"]},
        "environment": environment,
    }


def _of(label: object, table: pl.DataFrame) -> pl.DataFrame:
    return table.filter(pl.col("condition") == label).drop("sweep", "condition")


def _measured(table: pl.DataFrame) -> pl.DataFrame:
    """Leave out empty columns, of metrics that only other conditions have."""
    return table.select(column for column in table if column.null_count() < table.height)


def _join(tables: Sequence[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(tables, how="diagonal_relaxed")


def _unnest(nested: pl.DataFrame, name: str) -> pl.DataFrame:
    table = nested.select(*KEYS, name).drop_nulls(name).explode(name).unnest(name)
    return table.cast({pl.Float32: pl.Float64})


def _compact(table: pl.DataFrame) -> pl.DataFrame:
    """Store columns as float32 if that loses nothing."""
    columns = table.select(pl.col(pl.Float64))
    halved = {column.name: column.cast(pl.Float32) for column in columns}
    same = [h for name, h in halved.items() if h.cast(pl.Float64).equals(columns[name])]
    return table.with_columns(same)
