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
        low, high = self._interval()
        published = f"published {self.bound:.3f} ± {self.half_width:.3f}"
        return {
            "within": f"within ±{self.bound}",
            "includes": f"one more seed in [{low:.3f}, {high:.3f}]: includes {self.bound}",
            "mean": f"{published}: apart by [{low:+z.3f}, {high:+z.3f}]",
        }.get(self.side, self.side)

    @property
    def verdict(self) -> str:
        """Return holds, refuted or undecided."""
        if len(self.values) < FEWEST:
            return f"undecided (n = {len(self.values)})"
        low, high = self._interval()
        holds, refuted = {
            "> 0": (low > 0, high < 0),
            "< 0": (high < 0, low > 0),
            "within": (
                -self.bound <= low <= high <= self.bound,
                low > self.bound or high < -self.bound,
            ),
            "includes": (low <= self.bound <= high, True),
            "mean": (low <= 0 <= high, True),
        }[self.side]
        return "holds" if holds else "refuted" if refuted else "undecided"

    def _interval(self) -> tuple[float, float]:
        """Return the 95% interval of the mean, less a published one, or that of one more seed."""
        if self.side == "includes":
            return prediction_interval(list(self.values.values()))
        ours = mean_ci(self.values.values())
        if ours.low is None or ours.high is None:
            return float("-inf"), float("inf")
        if self.side != "mean":
            return ours.low, ours.high
        apart = ours.mean - self.bound
        below, above = (hypot(end, self.half_width) for end in ours.error_bar)
        return apart - below, apart + above


def text_of(estimate: Estimate, *, sign: bool = True) -> str:
    """Return an estimate as text, with more digits for a small mean and interval."""
    widest = max(abs(estimate.mean), abs(estimate.low or 0), abs(estimate.high or 0))
    return estimate.format(4 if widest < 0.1 else 3 if widest < 1 else 2, sign=sign)
