"""One W&B run for a scorecard, beside its files; the students' own runs are not tracked."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

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
        card: the scorecard.
        name: the defence's name.
        experiment: `outputs/judge`; W&B's files lie in its folder `wandb`.
        tracker: settings of the group `tracker`; None: no tracker.
        runs: the finished runs that the scorecard rests on.

    Returns:
        A line for the user; None if nothing is logged.
    """
    settings = None if tracker is None else build(OmegaConf.create(tracker), "tracker")
    if not isinstance(settings, WandB):
        return None
    try:
        mode = settled_mode(settings.mode)
        if mode == "disabled":
            return None
        seeds = seeds_table(list(runs))
        contents = {"Scorecard": card.table(), "Search": card.attempts(), "Seeds": seeds}
        run_id = aside.run_in_subprocess(
            "subliminal.report.wandb_report:log_run",
            *(experiment, tracker | {"mode": mode}, contents, {}),
            *("scorecard", name, _results(card)),
            seconds=TO_BEGIN + TO_END,
        )
    except UserError as error:
        return f"W&B failed, the scorecard's files are complete without it: {error}"
    return f"W&B: scorecard run {run_id} ({mode}) in {experiment / 'wandb'}"


def _results(card: Scorecard) -> dict[str, Any]:
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
