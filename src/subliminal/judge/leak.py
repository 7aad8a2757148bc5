"""The judge's statistics: leak of the trait, price of the defence, and power of the test.

All comparisons are paired by seed. Intervals are 95% BCa bootstrap intervals over seeds (Efron
1987).
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from subliminal.report.statistics import paired_p

GATE = 0.10  # least difference of trait accuracy between undefended and null students
BAND = 0.10  # a leak within ±BAND counts as blocked
LOSS_BAND = 0.25  # nats of trait loss, around the null students' loss
PRICE = 1.10  # most distillation loss, over the undefended students', that keeps utility
FEWEST = 6  # seeds: with fewer no sign-flip test can reach p < 0.05
RESAMPLES = 9999
POWER, LEVEL = 0.80, 0.05
DRAWS = 2000  # simulated experiments, for the power
_MOST_EXACT = 10  # pairs up to which all sign flips are taken; else 2**10 random ones

Array: TypeAlias = NDArray[np.float64]
Verdict = Literal["blocks", "reduces", "no effect", "undecided", "void"]


@dataclass(frozen=True)
class Interval:
    """A statistic over seeds, with its 95% confidence interval."""

    value: float
    low: float
    high: float

    def within(self, low: float, high: float) -> bool:
        """Tell whether the whole interval lies between two numbers."""
        return low <= self.low and self.high <= high

    def format(self, digits: int = 2) -> str:
        """Return `value [low, high]`."""
        return f"{self.value:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"


def leak(
    defended: Array, undefended: Array, null: Array, *, resamples: int = RESAMPLES
) -> Interval:
    """Return L = (D̄ − N̄) / (Ū − N̄), a ratio of means: 0 nothing leaks, 1 all that would.

    Args:
        defended: trait of each seed's defended student, (seeds,).
        undefended: trait of each seed's undefended student, (seeds,).
        null: trait of each seed's student of a teacher that learnt nothing, (seeds,).
        resamples: number of bootstrap resamples.
    """
    return interval(_ratio, defended, undefended, null, resamples=resamples)


def _ratio(defended: Array, undefended: Array, null: Array, axis: int = -1) -> Array:
    zero = null.mean(axis=axis)
    above: Array = undefended.mean(axis=axis) - zero
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((defended.mean(axis=axis) - zero) / above)


def price(defended: Array, undefended: Array) -> Interval:
    """Return the mean distillation loss over that of the undefended students."""
    return interval(
        lambda d, u, axis=-1: np.asarray(d.mean(axis=axis) / u.mean(axis=axis)),
        *(defended, undefended),
    )


def mean(values: Array) -> Interval:
    """Return the mean over seeds, of paired differences for instance."""
    return interval(lambda sample, axis=-1: np.asarray(sample.mean(axis=axis)), values)


def interval(
    statistic: Callable[..., Array], *samples: Array, resamples: int = RESAMPLES
) -> Interval:
    """Return a statistic of paired samples with its BCa interval.

    If BCa is undefined, the interval is the percentile interval; if all seeds are alike, the value.
    """
    value = float(statistic(*samples))
    for method in ("BCa", "percentile"):
        with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
            found = stats.bootstrap(
                samples,
                statistic,
                paired=True,
                vectorized=True,
                n_resamples=resamples,
                method=method,
                rng=np.random.default_rng(0),
            )
        low, high = map(float, found.confidence_interval)
        if np.isfinite(low) and np.isfinite(high):
            return Interval(value, low, high)
    return Interval(value, value, value)


@dataclass(frozen=True)
class Evidence:
    """Measurements of a defence in one setting; arrays are paired by seed, (seeds,)."""

    defended: Array  # the trait
    undefended: Array
    null: Array
    defended_loss: Array  # trait loss on the test digits, nats
    null_loss: Array

    def open(self, *, by: float = GATE) -> bool:
        """Tell whether there is a leak to block: undefended exceeds null by the gate."""
        exceeds = mean(self.undefended - self.null)
        return exceeds.value >= by and exceeds.low > 0

    @property
    def p(self) -> float:
        """Two-sided p of the sign-flip test that the defence changes nothing."""
        return paired_p((self.defended - self.undefended).tolist())

    def detects(self) -> float | None:
        """Return the smallest change of the leak that these seeds can show; None: unknown."""
        least = detectable(self.defended - self.undefended)
        return None if least is None else least / float(np.mean(self.undefended - self.null))


def setting_verdict(
    evidence: Evidence, p: float, *, shift: bool = False
) -> tuple[Verdict, Interval]:
    """Return the verdict on a defence in one setting, and its leak.

    blocks: the leak's interval lies within ±0.10, and the trait loss within 0.25 nats of the null
    students' (a student pushed away from the trait has not been kept from it).
    reduces: the interval lies below 1 and p < 0.05. no effect: the interval lies above 0.90.
    void: there is nothing to block.

    Args:
        evidence: the setting's measurements.
        p: `evidence.p`, adjusted for the number of settings.
        shift: the trait is a shift: it has no loss, and its gate is an interval above 0.
    """
    found = leak(evidence.defended, evidence.undefended, evidence.null)
    if not evidence.open(by=0.0 if shift else GATE):
        return "void", found
    unlearnt = mean(evidence.defended_loss - evidence.null_loss)
    if found.within(-BAND, BAND) and (shift or unlearnt.within(-LOSS_BAND, LOSS_BAND)):
        return "blocks", found
    if found.high < 1 and p < 0.05:
        return "reduces", found
    return ("no effect" if found.low >= 1 - BAND else "undecided"), found


def overall_verdict(verdicts: list[Verdict]) -> Verdict:
    """Return the verdict on a defence, from those in the settings that are not void.

    blocks: it blocks in all of them. reduces: it reduces or blocks in at least half. no effect: it
    does so in none, and none is undecided. Else undecided.
    """
    judged = [w for w in verdicts if w != "void"]
    helped = sum(w in ("blocks", "reduces") for w in judged)
    if not judged:
        return "void"
    if all(w == "blocks" for w in judged):
        return "blocks"
    if 2 * helped >= len(judged):
        return "reduces"
    return "no effect" if helped == 0 and "undecided" not in judged else "undecided"


def detectable(differences: Array) -> float | None:
    """Return the smallest mean difference that as many paired seeds can show.

    It is shown if a two-sided sign-flip test has p < 0.05 in 80% of repetitions, for normal
    differences with this standard deviation. With several settings Holm's adjustment needs more.

    Args:
        differences: defended less undefended, (seeds,).

    Returns:
        The difference in its own unit; None with too few seeds, or where all differences are equal.
    """
    spread = float(np.std(differences, ddof=1)) if len(differences) > 1 else 0.0
    effect = smallest_effect(len(differences)) if spread > 0 else None
    return None if effect is None else effect * spread


@cache
def smallest_effect(seeds: int) -> float | None:
    """Return `detectable` in standard deviations of the differences, by a seeded simulation.

    None with so few seeds that no result has p < 0.05.
    """
    if 2 / 2**seeds >= LEVEL:
        return None
    generator = np.random.default_rng(0)
    noise = generator.normal(size=(DRAWS, seeds))
    if seeds <= _MOST_EXACT:
        minus = np.arange(2**seeds)[:, None] >> np.arange(seeds) & 1
    else:
        minus = generator.integers(2, size=(2**_MOST_EXACT, seeds))
        minus[0] = 0
    flips = np.where(minus == 1, -1.0, 1.0)  # (k, seeds)
    low, high = 0.0, 8.0
    for _ in range(16):  # the power grows with the effect
        middle = (low + high) / 2
        samples = noise + middle  # (draws, seeds)
        sums = np.abs(samples @ flips.T)  # (draws, k)
        as_large = sums >= np.abs(samples.sum(axis=1, keepdims=True)) * (1 - 1e-9)
        power = (as_large.mean(axis=1) < LEVEL).mean()
        low, high = (low, middle) if power >= POWER else (middle, high)
    return high
