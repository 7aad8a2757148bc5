"""Flags on made-up tables: each is raised where it should be, and nowhere else."""

import numpy as np
import pytest

from subliminal.judge import flags
from subliminal.judge.leak import Evidence, Interval, Verdict

FALLING = np.linspace(2.0, 0.5, 50)
ONES, ZEROS = np.ones(50), np.zeros(50)
MOSTLY_ZERO = np.where(np.arange(50) < 40, 0.0, 1.0)
STILL, MOVED = np.full(6, 3.25), np.array([3.25, 3.25, 3.5])
loss, gradient, teacher = flags.loss_did_not_fall, flags.gradient_lost, flags.teacher_changed
SEEN, FAINT = Interval(0.8, 0.7, 0.9), Interval(0.2, 0.1, 0.3)


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (loss([FALLING, FALLING]), ""),
        (loss([FALLING, ONES, FALLING[::-1]]), "loss did not fall (2 of 3 seeds)"),
        (loss([np.full(50, np.nan)]), "loss did not fall (1 of 1 seeds)"),
        (loss([np.array([1.0, 0.2])]), ""),
        (loss([np.array([1.0, 0.89])]), ""),
        (loss([np.array([1.0, 0.91])]), "loss did not fall (1 of 1 seeds)"),
        (gradient([ONES, ONES], [ONES, 0.9 * ONES]), ""),
        (gradient([MOSTLY_ZERO], [ONES]), "gradient is zero in 80% of steps"),
        (gradient([ZEROS, ONES], [0.5 * ONES]), ""),  # a half is not most
        (gradient([ONES], [0.25 * ONES]), "gradient is masked: 75% of parameters do not move"),
        (gradient([], []), ""),  # no defence
        (flags.inactive([ONES, ONES]), ""),
        (flags.inactive([ONES, ZEROS]), ""),  # half of the steps is not most
        (flags.inactive([MOSTLY_ZERO] * 2), "defence is inactive in 80% of steps"),
        (teacher([STILL], True), ""),
        (teacher([STILL, MOVED], True), "teacher was changed by the defence (1 of 2 seeds)"),
        (teacher([STILL], False), "teacher is another than the undefended students'"),
        (flags.below_chance(np.array([0.09, 0.11]), classes=10), ""),
        (flags.below_chance(np.array([0.01, np.nan, 0.03]), classes=10), "below chance (0.020)"),
        (flags.below_chance(np.array([0.051]), classes=10), ""),
        (flags.below_chance(np.array([0.049]), classes=10), "below chance (0.049)"),
        (flags.below_chance(np.array([0.03]), classes=26), ""),
        (flags.below_chance(np.array([np.nan]), classes=10), ""),
        (flags.hidden("blocks", SEEN), "hidden, not blocked: a readout finds 0.80 of it"),
        (flags.hidden("blocks", FAINT), ""),
        (flags.hidden("blocks", None), ""),
        (flags.hidden("reduces", SEEN), ""),
    ],
)
def test_each_flag_is_raised_where_it_should_be(raised: str, expected: str) -> None:
    assert raised == expected


@pytest.mark.parametrize(
    ("noise", "verdict", "flagged"),
    [
        (0.01, "reduces", False),
        (0.6, "reduces", True),
        (0.01, "undecided", False),
        (0.01, "no effect", True),  # a verdict that no half bears out
    ],
)
def test_a_verdict_that_hangs_on_the_seeds(noise: float, verdict: Verdict, flagged: bool) -> None:
    generator = np.random.default_rng(1)
    undefended, null = np.full(10, 0.6), np.full(10, 0.1)
    defended = 0.35 + noise * generator.normal(size=10)
    evidence = Evidence(defended, undefended, null, null, null)
    flag = flags.depends_on_seeds(evidence, verdict)
    assert flag.startswith("depends on the seeds (") is flagged
    assert flags.depends_on_seeds(evidence, verdict) == flag
