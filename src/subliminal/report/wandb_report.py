"""One W&B run for a whole experiment: its tables, figures and verdicts."""

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from subliminal import metrics, store
from subliminal.report.escape import file_stem
from subliminal.trackers import aside
from subliminal.trackers.client import LEAN, LONGEST_NAME, finish, remove_local

ID_FILE = "report-run.txt"  # in the experiment's folder `wandb`: the run's id
TO_BEGIN, TO_END = 15.0, 30.0  # seconds for W&B's init and finish


def log_report(
    experiment: Path, tables: Mapping[str, pl.DataFrame], figures: Mapping[str, Path]
) -> str | None:
    """Log an experiment's report as one run of job type `report`, in its seeds' W&B project.

    A second report updates the same run, whose id lies in the experiment's folder `wandb`, and
    replaces an offline copy that was not uploaded.

    Args:
        experiment: outputs/<name>.
        tables: title to table of text; `Verdicts` and `Results` among them.
        figures: caption to PNG.

    Returns:
        A line for the user; None if W&B tracked none of the runs: then nothing is logged.
    """
    if not (experiment / "wandb").is_dir():  # where the tracker keeps its files
        return None
    runs = list(store.finished_runs(experiment))
    trackers = (store.read_config(run).get("tracker") or {} for run in reversed(runs))
    tracker = next((t for t in trackers if str(t.get("_target_")).endswith(".WandB")), None)
    if tracker is None:
        return None
    contents = {**tables, "Seeds": seeds_table(runs)}
    place = "subliminal.report.wandb_report:log_run"
    try:
        run_id = aside.run_in_subprocess(
            place, experiment, tracker, contents, dict(figures), seconds=TO_BEGIN + TO_END
        )
    except aside.Failed as error:
        return f"W&B failed, the report's files are complete without it: {error}"
    return f"W&B: report run {run_id} ({tracker['mode']}) in {experiment / 'wandb'}"


def seeds_table(runs: list[Path]) -> pl.DataFrame:
    """Return a table of finished runs: W&B group and id, and final results."""
    summaries = [store.read_summary(run) for run in runs]
    columns = {name: [one[name] for one in summaries] for name in ("condition", "seed", "run_id")}
    for metric in (metrics.TRAIT_ACCURACY, metrics.DISTILL_LOSS):
        columns[metrics.final(metric)] = [one["results"][metric] for one in summaries]
    table = pl.DataFrame(columns)
    return table.insert_column(2, pl.Series("group", [run.parent.name for run in runs]))


def log_run(
    experiment: Path,
    tracker: dict[str, Any],
    tables: Mapping[str, pl.DataFrame],
    figures: Mapping[str, Path],
    job_type: str = "report",
    name: str | None = None,
    results: Mapping[str, Any] | None = None,
) -> str:
    """Log one W&B run on many runs, such as a report or a scorecard; return its id.

    Args:
        experiment: outputs/<name>; its folder `wandb` keeps the run's id.
        tracker: W&B's settings, with a `mode` of online or offline.
        tables: title to table of text; `Seeds` among them.
        figures: caption to PNG.
        job_type: W&B's job type, also part of the run's name.
        name: the subject, which has a run of its own; None: the experiment.
        results: values for the run's summary.
    """
    import wandb

    folder = experiment / "wandb"
    folder.mkdir(exist_ok=True)
    about = experiment.name if name is None else name
    id_file = folder / (ID_FILE if name is None else f"{job_type}-{file_stem(name)}.txt")
    if not id_file.is_file():
        store.write_text(id_file, uuid.uuid4().hex[:12] + "\n")
    run_id = id_file.read_text(encoding="utf-8").strip()
    remove_local(folder, run_id)
    seeds = tables["Seeds"].rows(named=True)
    run = wandb.init(
        project=tracker["project"],
        entity=tracker["entity"],
        dir=experiment,
        id=run_id,
        resume="allow" if tracker["mode"] == "online" else None,
        job_type=job_type,
        name=f"{about[: LONGEST_NAME - len(job_type) - 2]}: {job_type}",
        tags=list(tracker["tags"]),
        config={
            "experiment": experiment.name,
            "groups": list(dict.fromkeys(row["group"] for row in seeds)),
            "run_ids": [row["run_id"] for row in seeds],
        },
        mode=tracker["mode"],
        settings=wandb.Settings(**LEAN, init_timeout=TO_BEGIN),
    )
    logged: dict[str, Any] = {}
    for title, table in tables.items():
        if table.height:
            content = wandb.Table(columns=[*table.columns], data=table.rows())
            logged[f"tables/{_key(title)}"] = content
    for caption, path in figures.items():
        logged[f"figures/{_key(path.stem)}"] = wandb.Image(str(path), caption=caption)
    run.log(logged)
    if (verdicts := tables.get("Verdicts")) is not None and "verdict" in verdicts.columns:
        for verdict, count in verdicts["verdict"].value_counts().rows():
            run.summary[f"verdicts/{verdict}"] = count
    if results:
        run.summary.update(dict(results))
    finish(run)
    return run_id


def _key(title: str) -> str:
    """Return a title as a W&B key: letters, digits and `_`."""
    words = "".join(c if c.isascii() and c.isalnum() else " " for c in title.split(",")[0])
    return "_".join(words.lower().split())
