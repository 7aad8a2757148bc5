"""One W&B run for a scorecard, beside its files; the students' own runs are not tracked."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl
from omegaconf import OmegaConf

from subliminal.config.build import build
from subliminal.errors import UserError
from subliminal.judge.scorecard import Scorecard
from subliminal.report.wandb_report import TO_BEGIN, TO_END, seeds_table
from subliminal.trackers import aside
from subliminal.trackers.wandb import WandB, settled_mode


def log_scorecard(
    card: Scorecard, name: str, experiment: Path, tracker: Any, runs: Iterable[Path]
) -> str | None:
    """Log a scorecard as one W&B run; a second call updates the same run.

    Args:
        card: the judgement.
        name: of the defence.
        experiment: `outputs/judge`, in whose folder `wandb` W&B keeps its files.
        tracker: settings of the group `tracker`; None: no tracker.
        runs: the finished runs that the scorecard rests on.

    Returns:
        A line for the user; None where nothing is logged.
    """
    settings = None if tracker is None else build(OmegaConf.create(tracker), "tracker")
    if not isinstance(settings, WandB):
        return None
    try:
        mode = settled_mode(settings.mode)
        if mode == "disabled":
            return None
        run_id = aside.run_in_subprocess(
            "subliminal.report.wandb_report:log_run",
            *(experiment, tracker | {"mode": mode}, tables(card, runs), {}),
            *("scorecard", name, results(card)),
            seconds=TO_BEGIN + TO_END,
        )
    except UserError as error:
        return f"W&B failed, the scorecard's files are complete without it: {error}"
    return f"W&B: scorecard run {run_id} ({mode}) in {experiment / 'wandb'}"


def tables(card: Scorecard, runs: Iterable[Path]) -> dict[str, pl.DataFrame]:
    """Return the scorecard's tables: of settings, of the search, of the seeds' runs."""
    found = {"Scorecard": card.rows(), "Search": card.attempts()}
    contents = {
        title: pl.DataFrame(rows[1:], schema=rows[0], orient="row")
        for title, rows in found.items()
        if rows
    }
    return contents | {"Seeds": seeds_table(list(runs))}


def results(card: Scorecard) -> dict[str, Any]:
    """Return the summary of the W&B run."""
    worst = card.worst
    found = {
        "verdict": card.verdict,
        "track": card.track,
        "blocked": card.blocked,
        "judged": len(card.judged),
        "worst": None if worst is None else worst.setting,
        "leak": worst.leak.value if worst and worst.leak else None,
        "price": card.price,
        "flags": sum(len(line.flags) for line in card.lines),
        "final": not card.tentative,
        "headline": card.headline(),
    }
    return {key: value for key, value in found.items() if value is not None}
