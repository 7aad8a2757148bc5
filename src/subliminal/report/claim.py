"""A claim: a statistic per seed, the side on which its mean should lie, and the verdict.

The verdict is `holds` if the 95% CI lies wholly on the claimed side, `refuted` if it lies wholly on
the other, else `undecided`. A claim `includes` holds if a single published number lies in the 95%
interval for one more seed; a claim `mean`, if the 95% CI of our mean less a published one, both
intervals added in quadrature, includes 0.
"""

from dataclasses import dataclass
from math import hypot

from subliminal.report.conditions import PerSeed
from subliminal.report.statistics import Estimate, mean_ci, prediction_interval

FEWEST = 4  # seeds; with fewer, a bootstrap interval is hardly more than their range

OF_PUBLISHED = ("includes", "mean")  # sides of the metric itself, not of a difference


@dataclass(frozen=True)
class Claim:
    """A statistic per seed, and the side on which its mean should lie."""

    text: str
    statistic: str
    values: PerSeed
    side: str  # "> 0" | "< 0" | "within" | "includes" | "mean"
    bound: float = 0.0  # within ±bound; of "includes" and "mean" the published number
    half_width: float = 0.0  # half of the published mean's 95% interval

    @property
    def expected(self) -> str:
        """Return the claimed side, as a table shows it."""
        if self.side == "includes":
            low, high = prediction_interval(list(self.values.values()))
            return f"one more seed in [{low:.3f}, {high:.3f}]: includes {self.bound}"
        if self.side == "mean":
            low, high = self._apart(mean_ci(self.values.values()))
            published = f"published {self.bound:.3f} ± {self.half_width:.3f}"
            return f"{published}: apart by [{low:+.3f}, {high:+.3f}]"
        return f"within ±{self.bound}" if self.side == "within" else self.side

    @property
    def verdict(self) -> str:
        """Return holds, refuted or undecided."""
        estimate = mean_ci(self.values.values())
        low, high = estimate.low, estimate.high
        if low is None or high is None or estimate.n < FEWEST:
            return f"undecided (n = {estimate.n})"
        if self.side == "includes":
            low, high = prediction_interval(list(self.values.values()))
            return "holds" if low <= self.bound <= high else "refuted"
        if self.side == "mean":
            low, high = self._apart(estimate)
            return "holds" if low <= 0 <= high else "refuted"
        if self.side == "within":
            inside = -self.bound <= low and high <= self.bound
            outside = low > self.bound or high < -self.bound
        else:
            sign = 1 if self.side == "> 0" else -1
            inside, outside = min(sign * low, sign * high) > 0, max(sign * low, sign * high) < 0
        return "holds" if inside else "refuted" if outside else "undecided"

    def _apart(self, ours: Estimate) -> tuple[float, float]:
        """Return the 95% CI of our mean less the published one."""
        if ours.low is None or ours.high is None:
            return float("-inf"), float("inf")
        below = hypot(ours.mean - ours.low, self.half_width)
        above = hypot(ours.high - ours.mean, self.half_width)
        apart = ours.mean - self.bound
        return apart - below, apart + above


def text_of(estimate: Estimate, *, sign: bool = True) -> str:
    """Return an estimate as text, with more digits for a small mean and interval."""
    widest = max(abs(estimate.mean), abs(estimate.low or 0), abs(estimate.high or 0))
    return estimate.format(4 if widest < 0.1 else 3 if widest < 1 else 2, sign=sign)
