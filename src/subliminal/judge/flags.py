"""Reasons to doubt a verdict, checked in every setting.

A defence may look good because its training is broken, as AutoAttack's authors found (Croce & Hein
2020, arXiv 2003.01690). They rest on what runs logged, so they decide nothing. Each function
returns a line, which is empty if there is no doubt. A sequence of arrays holds a metric of each
seed, step by step.
"""

from collections.abc import Sequence

import numpy as np

from subliminal import metrics
from subliminal.distill import OfTokens
from subliminal.judge.fieller import Array
from subliminal.judge.measure import finished
from subliminal.store.tables import read_table
from subliminal.training.job import Job

FALL = 0.9  # share of the first loss; a training that ends above it has not learnt
MOST = 0.5  # share of steps or parameters above which a flag is raised


def of_runs(job: Job, undefended: Job) -> tuple[str, ...]:
    """Return the flags of a defended job's finished runs; the undefended job is the setting's."""
    tables = [read_table(run / "steps.parquet") for run in finished(job)]

    def series(metric: str) -> list[Array]:
        logged = [table.sort("step")[metric] for table in tables if metric in table.columns]
        return [values.drop_nulls().to_numpy().astype(np.float64) for values in logged]

    # The loss on sampled tokens falls to their entropy, which is close to the first loss.
    of_tokens = isinstance(undefended.experiment.loss, OfTokens)
    found = [
        "" if of_tokens else loss_did_not_fall(series(metrics.DISTILL_LOSS)),
        gradient_lost(series(metrics.ACTIVITY_GRADIENT), series(metrics.ACTIVITY_MOVED)),
        inactive(series(metrics.ACTIVITY_CHANGED)) if job.cfg.mitigation else "",
        teacher_changed(series(metrics.ACTIVITY_TEACHER)),
    ]
    return tuple(filter(None, found))


def loss_did_not_fall(losses: Sequence[Array]) -> str:
    """Flag seeds whose loss in the last tenth of steps is above 0.9 of that in the first tenth."""
    stuck = 0
    for curve in losses:
        tenth = max(1, len(curve) // 10)
        stuck += not curve[-tenth:].mean() < FALL * curve[:tenth].mean()
    return f"loss did not fall ({stuck} of {len(losses)} seeds)" if stuck else ""


def gradient_lost(norms: Sequence[Array], moved: Sequence[Array]) -> str:
    """Flag an optimizer's gradient that is zero in most steps, or moves few parameters.

    `norms` are the gradient's, `moved` the shares of moved parameters.
    """
    if not norms:
        return ""
    zero = float(np.mean([(values == 0).mean() for values in norms]))
    if zero > MOST:
        return f"gradient is zero in {zero:.0%} of steps"
    still = 1 - float(np.mean([values.mean() for values in moved]))
    return f"gradient is masked: {still:.0%} of parameters do not move" if still > MOST else ""


def inactive(changed: Sequence[Array]) -> str:
    """Flag mitigations that do not change most steps; `changed` is 1 for a changed step, else 0."""
    idle = 1 - float(np.mean([values.mean() for values in changed])) if changed else 0.0
    return f"defence is inactive in {idle:.0%} of steps" if idle > MOST else ""


def teacher_changed(ways: Sequence[Array]) -> str:
    """Flag a defence that changed its teacher: its distances from its start, epoch by epoch."""
    drifted = sum(bool((way != way[0]).any()) for way in ways)
    return f"teacher was changed by the defence ({drifted} of {len(ways)} seeds)" if drifted else ""
