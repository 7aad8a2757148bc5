"""Jobs of W&B's sweep agents: the agent's run receives the means over a job's seeds.

An agent names its run in environment variables, which `wandb.init` prefers to its arguments. With
them every seed of a job would write into that one run, so they are removed while the seeds train
(each has a run of its own), and set again for the process that logs the means.
"""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from subliminal import metrics, store
from subliminal.errors import UserError
from subliminal.sweep.console import Console
from subliminal.trackers import Tracker, aside
from subliminal.trackers.client import LEAN, Values, finish, short_name
from subliminal.trackers.wandb import WandB, settled_mode

_SWEEP = "WANDB_SWEEP_ID"
_VARIABLES = (_SWEEP, "WANDB_RUN_ID", "WANDB_SWEEP_PARAM_PATH")


def take() -> dict[str, str]:
    """Remove the variables that name an agent's run from the environment, and return them."""
    if _SWEEP not in os.environ:
        return {}
    return {name: os.environ.pop(name) for name in _VARIABLES if name in os.environ}


def log(
    variables: dict[str, str], tracker: Tracker | None, runs: Sequence[Path], console: Console
) -> None:
    """Log a job's means over its finished runs to the run that `variables` name.

    If W&B fails, print a line and go on.
    """
    if not isinstance(tracker, WandB):
        console.say("W&B's sweep gets no result of this job: its tracker is not W&B.")
        return
    try:
        summaries = [store.read_summary(run) for run in runs]
        group = runs[0].parent
        settings = {
            "dir": str(group.parent),
            "job_type": "sweep",
            "name": short_name(summaries[0]["condition"], group.name.rpartition("-")[2]),
            "tags": list(tracker.tags),
            "config": {
                "experiment": summaries[0]["experiment"],
                "condition": summaries[0]["condition"],
                "seeds": [summary["seed"] for summary in summaries],
                "run_ids": [summary["run_id"] for summary in summaries],
            },
            "mode": settled_mode(tracker.mode),
        }
        # A subprocess, because W&B's client reads its environment once per process.
        aside.run_in_subprocess(
            "subliminal.sweep.agent:log_means",
            settings,
            means([summary["results"] for summary in summaries]),
            tracker.finish_timeout / 2,
            seconds=tracker.finish_timeout,
            extra=variables,
        )
    except UserError as error:
        console.say(f"W&B failed, its sweep gets no result of this job: {error}")


def log_means(settings: dict[str, Any], values: Values, timeout: float) -> None:
    """Log a job's means to the run that the environment names."""
    import wandb

    run = wandb.init(**settings, settings=wandb.Settings(**LEAN, init_timeout=timeout))
    run.log(values)
    finish(run)


def means(results: Sequence[dict[str, Any]]) -> Values:
    """Return a job's means over its seeds, and its frontier score.

    The score is ln(trait accuracy) + ln(distillation loss), and lower is better: half the accuracy
    is worth twice the loss, whatever the scale of the loss.
    """
    accuracy = fmean(result[metrics.TRAIT_ACCURACY] for result in results)
    loss = fmean(result[metrics.DISTILL_LOSS] for result in results)
    return {
        metrics.final(metrics.TRAIT_ACCURACY): accuracy,
        metrics.final(metrics.DISTILL_LOSS): loss,
        metrics.FRONTIER_SCORE: math.log(accuracy * loss) if accuracy * loss > 0 else -math.inf,
    }
