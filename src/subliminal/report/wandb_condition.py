"""One W&B run for a condition: its seeds' mean and interval by epoch, beside their own runs."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from subliminal import store
from subliminal.report.statistics import mean_cis
from subliminal.store.tables import read_table
from subliminal.trackers import client, record, uploader_client
from subliminal.trackers.aside import reason

_PLACE = ["phase", "epoch", "step"]


def track_condition(condition: Path, seconds: float) -> str | None:
    """Write a condition's run into its folder `.mean`, for the uploader to send as a seed's.

    There is none before all seeds that were asked for are finished, and tracked, and of one seed.
    Its id follows from theirs: given again it is the same run, and of more seeds it is another.

    Args:
        condition: its folder.
        seconds: time limit for W&B at the end of the command.

    Returns:
        A line for the user if it could not be written: its seeds are finished all the same.
    """
    try:
        found = _written(condition)
    except (OSError, PolarsError) as error:
        return f"The condition has no W&B run of its own: {reason(error)}"
    if found is not None and not found.settled:
        folder = {condition / record.MEAN: 0}
        uploader_client.follow(folder, seconds, online=found.mode == "online")
    return None


def _written(condition: Path) -> record.TrackingRecord | None:
    """Return the record of a condition's run, which is written if it is not there."""
    runs = [store.run_dir(condition, seed) for seed in store.recorded(condition).get("seeds", ())]
    seeds = [found for run in runs if (found := record.read(run)) and store.finished(run)]
    if len(runs) < 2 or len(seeds) < len(runs):
        return None
    run_id = hashlib.sha256(" ".join(one.run_id for one in seeds).encode()).hexdigest()[:12]
    folder, first = condition / record.MEAN, seeds[0]
    before = record.read(folder)
    if before is None or before.run_id != run_id:
        folder.mkdir(exist_ok=True)
        table = means(runs)
        for name, rows in zip(client.TABLES, (table, _student(table)), strict=True):
            store.write_atomically(folder / name, rows.write_parquet)
        store.write_text(folder / store.MARKER, "{}\n")  # it is finished, and has no results
        config = {key: value for key, value in first.config.items() if key != "seed"}
        before = replace(
            first,
            run_id=run_id,
            name=client.short_name(config["condition"], first.group[-8:], f" mean of {len(runs)}"),
            config=config | {"seeds": [one.config["seed"] for one in seeds]},
            job_type="condition",
            uploaded=False,
            kept=False,
        )
        before.write(folder)
    return before


def means(runs: Sequence[Path]) -> pl.DataFrame:
    """Return epochs as a run's table has them: each metric's mean, and `/low` and `/high` of it."""
    every = pl.concat([read_table(run / "epochs.parquet") for run in runs], how="diagonal_relaxed")
    values = every.drop("seed").unpivot(index=_PLACE).drop_nulls()
    groups = values.group_by(*_PLACE, "variable", maintain_order=True).agg("value")
    rows: dict[tuple[object, ...], dict[str, object]] = {}
    estimates = mean_cis(groups["value"].to_list())
    for (*place, name, _), e in zip(groups.iter_rows(), estimates, strict=True):
        row = rows.setdefault(tuple(place), dict(zip(_PLACE, place, strict=True)))
        row |= {name: e.mean, f"{name}/low": e.low, f"{name}/high": e.high}
    return pl.DataFrame([*rows.values()], infer_schema_length=None).sort("step", "epoch")


def _student(table: pl.DataFrame) -> pl.DataFrame:
    return table.filter(pl.col("phase") == "student").drop("phase")
