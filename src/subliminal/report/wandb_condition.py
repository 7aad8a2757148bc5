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
from subliminal.sweep.console import Console
from subliminal.trackers import client, record, uploader_client
from subliminal.trackers.aside import reason
from subliminal.trackers.wandb import WandB
from subliminal.training.job import Job

_PLACE = ["phase", "epoch", "step"]


def track_condition(job: Job, console: Console) -> None:
    """Write the run of a job's condition into its folder `.mean`, and have it uploaded.

    There is none of one seed, nor before all seeds that were asked for are finished. Its id follows
    from theirs: given again it is the same run, and of more seeds it is another.
    """
    tracker, folder = job.experiment.tracker, job.directory / record.MEAN
    seeds = store.recorded(job.directory).get("seeds", ())
    runs = [store.run_dir(job.directory, seed) for seed in seeds]
    found = [one for run in runs if store.finished(run) and (one := record.read(run))]
    if not isinstance(tracker, WandB) or len(found) < max(2, len(runs)):
        return
    run_id = hashlib.sha256(" ".join(one.run_id for one in found).encode()).hexdigest()[:12]
    own = record.read(folder)
    if own is None or own.run_id != run_id:
        name = client.short_name(job.condition, job.identity, f" mean of {len(runs)}")
        config = {**found[0].config, "seed": None, "seeds": list(seeds)}
        own = replace(found[0], run_id=run_id, name=name, config=config, job_type="condition")
        own = replace(own, uploaded=False, kept=False)
        try:
            table = means(runs)
            student = table.filter(pl.col("phase") == "student").drop("phase")
            folder.mkdir(exist_ok=True)
            for file, rows in zip(client.TABLES, (table, student), strict=True):
                store.write_atomically(folder / file, rows.write_parquet)
            store.write_text(folder / store.MARKER, "{}\n")
            own.write(folder)  # last: now the uploader reads the others
        except (OSError, PolarsError) as error:
            console.say(f"The condition has no W&B run of its own: {reason(error)}")
            return
    if not own.settled:
        uploader_client.follow({folder: 0}, tracker.finish_timeout, online=own.mode == "online")


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
