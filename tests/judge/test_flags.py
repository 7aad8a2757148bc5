"""Flags on made-up tables: each is raised where it should be, and nowhere else."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from subliminal import metrics
from subliminal.judge import flags

FALLING = np.linspace(2.0, 0.5, 50)
ONES, ZEROS = np.ones(50), np.zeros(50)
MOSTLY_ZERO = np.where(np.arange(50) < 40, 0.0, 1.0)
STILL, MOVED = np.full(6, 3.25), np.array([3.25, 3.25, 3.5])
loss, gradient, teacher = flags.loss_did_not_fall, flags.gradient_lost, flags.teacher_changed


@pytest.mark.parametrize(
    ("flag", "given", "expected"),
    [
        (loss, [[FALLING, FALLING]], ""),
        (loss, [[FALLING, ONES, FALLING[::-1]]], "loss did not fall (2 of 3 seeds)"),
        (loss, [[np.full(50, np.nan)]], "loss did not fall (1 of 1 seeds)"),
        (loss, [[np.array([1.0, 0.2])]], ""),
        (loss, [[np.array([1.0] * 48 + [0.1] * 2)]], ""),
        (loss, [[np.array([1.0, 0.89])]], ""),
        (loss, [[np.array([1.0, 0.9])]], "loss did not fall (1 of 1 seeds)"),
        (loss, [[np.array([1.0, 0.0, *[0.5] * 18])]], "loss did not fall (1 of 1 seeds)"),
        (gradient, [[ONES, ONES], [ONES, 0.9 * ONES]], ""),
        (gradient, [[MOSTLY_ZERO], [ONES]], "gradient is zero in 80% of steps"),
        (gradient, [[ZEROS, ONES], [0.5 * ONES]], ""),  # a half is not most
        (gradient, [[ONES], [0.25 * ONES]], "gradient is masked: 75% of parameters do not move"),
        (gradient, [[], []], ""),  # no defence
        (flags.inactive, [[ONES, ONES]], ""),
        (flags.inactive, [[ONES, ZEROS]], ""),  # half of the steps is not most
        (flags.inactive, [[MOSTLY_ZERO] * 2], "defence is inactive in 80% of steps"),
        (teacher, [[STILL, STILL[:1]]], ""),
        (teacher, [[STILL, MOVED]], "teacher was changed by the defence (1 of 2 seeds)"),
    ],
)
def test_each_flag_is_raised_where_it_should_be(
    flag: Callable[..., str], given: list[list[np.ndarray]], expected: str
) -> None:
    assert flag(*given) == expected


@pytest.mark.parametrize(("mitigated", "of_tokens"), [(True, False), (False, True)])
def test_the_flags_of_runs(
    mitigated: bool, of_tokens: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables in any order, in which a metric may be missing or has no value in most steps."""
    columns = {
        metrics.ACTIVITY_GRADIENT: ONES,
        metrics.ACTIVITY_MOVED: 0.25 * ONES,
        metrics.ACTIVITY_CHANGED: MOSTLY_ZERO,
        metrics.ACTIVITY_TEACHER: [3.25, *[None] * 48, 3.5],
    }
    runs = [tmp_path / "a", tmp_path / "b[1]"]
    for run, loss, other in zip(runs, (FALLING, FALLING[::-1]), ({}, columns), strict=True):
        run.mkdir()
        table = pl.DataFrame({"step": range(50), metrics.DISTILL_LOSS: loss, **other})
        table.sort("step", descending=True).write_parquet(run / "steps.parquet")
    job: Any = SimpleNamespace(cfg=SimpleNamespace(mitigation={"a": 1} if mitigated else {}))
    loss_of = SimpleNamespace(of_tokens=print) if of_tokens else None
    undefended: Any = SimpleNamespace(experiment=SimpleNamespace(loss=loss_of))
    monkeypatch.setattr(flags, "finished", lambda of: runs if of is job else [])
    expected = ["loss did not fall (1 of 2 seeds)"] * (not of_tokens)
    expected += ["gradient is masked: 75% of parameters do not move"]
    expected += ["defence is inactive in 80% of steps"] * mitigated
    expected += ["teacher was changed by the defence (1 of 1 seeds)"]
    assert flags.of_runs(job, undefended) == tuple(expected)
    del runs[1]
    assert flags.of_runs(job, undefended) == ()
