"""A job that a W&B sweep agent started: the agent's run holds the job's means over its seeds.

The agent names its run in environment variables that `wandb.init` obeys before its arguments, so
every seed of the job would write into that one run. The variables are set aside while the seeds
train (each has a run of its own), and are put back for the run of the means.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from subliminal import metrics, store
from subliminal.errors import UserError
from subliminal.sweep.console import Console
from subliminal.trackers import Tracker, aside
from subliminal.trackers.client import LEAN, Values, finish, short_name
from subliminal.trackers.wandb import WandB, settled_mode

_SWEEP = "WANDB_SWEEP_ID"
_VARIABLES = (_SWEEP, "WANDB_RUN_ID", "WANDB_SWEEP_PARAM_PATH")


@dataclass(frozen=True)
class Agent:
    """What an agent told this process."""

    variables: dict[str, str]

    @classmethod
    def take(cls) -> Agent | None:
        """Set the agent's variables aside; None when no agent started this process."""
        if _SWEEP not in os.environ:
            return None
        return cls({name: os.environ.pop(name) for name in _VARIABLES if name in os.environ})

    def log(self, tracker: Tracker | None, runs: Sequence[Path], console: Console) -> None:
        """Log the means over a job's finished runs; a failure of W&B is told, and no more."""
        if not isinstance(tracker, WandB):
            console.say("W&B's agent learns nothing of this job: its tracker is not W&B.")
            return
        try:
            summaries = [store.read_summary(run) for run in runs]
            group = runs[0].parent
            described = {
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
            logged = means([summary["results"] for summary in summaries])
            # W&B's client reads its environment once: in another process than for the seeds.
            aside.run_in_subprocess(
                "subliminal.sweep.agent:log_means",
                *(described, logged, tracker.finish_timeout / 2),
                seconds=tracker.finish_timeout,
                extra=self.variables,
            )
        except UserError as error:
            console.say(f"W&B failed, its agent learns nothing of this job: {error}")


def log_means(described: dict[str, Any], logged: Values, timeout: float) -> None:
    """Log a job's means as the run that the environment names."""
    import wandb

    run = wandb.init(**described, settings=wandb.Settings(**LEAN, init_timeout=timeout))
    run.log(logged)
    finish(run)


def means(results: Sequence[dict[str, Any]]) -> Values:
    """Return a job's means over its seeds, and its place on the frontier.

    The frontier score is ln(trait accuracy) + ln(distillation loss): lower is better in both, and a
    halved accuracy is worth a doubled loss, whatever the scale of the loss.
    """
    accuracy = _mean([result[metrics.TRAIT_ACCURACY] for result in results])
    loss = _mean([result[metrics.DISTILL_LOSS] for result in results])
    return {
        metrics.final(metrics.TRAIT_ACCURACY): accuracy,
        metrics.final(metrics.DISTILL_LOSS): loss,
        metrics.FRONTIER_SCORE: math.log(accuracy * loss) if accuracy * loss > 0 else -math.inf,
    }


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
