"""Claims that a sweep's file declares under `claims`, tested on the conditions that were run.

    claims:
      - claim: Compatible heads suffice
        where: {distill.init.own: [layer1, layer2]}
        against: initial
        expect: "> 0"

`where` picks conditions by their config; each that has these values is one row of the verdicts.
`against` is what the metric is compared with, seed by seed: `initial` (its value before training),
`teacher` (the teacher's accuracy), another metric of the same runs, or other values of config keys,
which name the condition that is the same in all else. `expect` is `> 0`, `< 0` or `within b`, of
the difference's mean, or, of the metric itself, `includes b`: does a single published number lie in
the spread of our seeds, or `mean b ± h`: does a published mean, with the half-width of its 95%
interval, agree with ours? `metric` is the metric at the end of training, trait accuracy unless
named.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from subliminal import metrics
from subliminal.errors import UserError
from subliminal.report import varied
from subliminal.report.claim import OF_PUBLISHED, Claim, PerSeed, epoch_value, paired
from subliminal.report.question import sweep_file
from subliminal.report.runs import Condition, Sweep

KEY = "claims"  # of a sweep's file; Hydra does not see it
_AGAINST = ("initial", "teacher")
_OF_TEACHER = metrics.TEACHER_ACCURACY
_NUMBER = r"(\d+\.?\d*|\.\d+)"
_EXPECTED = re.compile(
    rf"([<>] 0)|(within|includes) {_NUMBER}|(mean) {_NUMBER} ?(?:±|\+/?-) ?{_NUMBER}"
)


@dataclass(frozen=True)
class Declared:
    """One entry of `claims`."""

    claim: str
    where: varied.Flat
    against: str | varied.Flat
    side: str
    bound: float
    metric: str
    half_width: float

    @classmethod
    def of(cls, entry: Any, file: Path) -> "Declared":
        """Read one entry.

        Raises:
            UserError: a key is missing or unknown, or a value is none of those that there are.
        """
        here = f"{file.name}: {KEY}"
        allowed = {"claim", "where", "against", "expect", "metric"}
        if not isinstance(entry, dict) or not {"claim", "expect"} <= set(entry) <= allowed:
            raise UserError(
                f"{here}: {entry!r} should be a mapping of {', '.join(sorted(allowed))}"
            )
        expected = _EXPECTED.fullmatch(str(entry["expect"]))
        if expected is None:
            allowed_sides = "'> 0', '< 0', 'within 0.05', 'includes 0.7' or 'mean 0.7 ± 0.03'"
            raise UserError(f"{here}: expect={entry['expect']!r}: {allowed_sides}")
        against = entry.get("against", "initial")
        if not isinstance(against, dict) and against not in _AGAINST and not _metric(against):
            raise UserError(
                f"{here}: against={against!r}: {', '.join(_AGAINST)}, a metric or config keys"
            )
        metric = entry.get("metric", metrics.TRAIT_ACCURACY)
        if not _metric(metric):
            raise UserError(f"{here}: there is no metric {metric!r}")
        return cls(
            entry["claim"],
            _flat(entry.get("where", {})),
            _flat(against) if isinstance(against, dict) else against,
            expected[1] or expected[2] or expected[4],
            float(expected[3] or expected[5] or 0),
            metric,
            float(expected[6] or 0),
        )

    def claims(self, sweep: Sweep) -> Iterator[Claim]:
        """Yield the claim for each condition that it is about, if what it needs was run."""
        for condition in sweep.conditions:
            logged = self.metric in condition.epochs.columns or self.metric == _OF_TEACHER
            if not logged or not _has(condition, self.where):
                continue
            compared = self._compared(condition, sweep)
            if compared is None:
                continue
            name, values = compared
            rest = [k for k in sweep.swept if not any(_covers(own, k) for own in self.where)]
            if isinstance(self.against, dict):
                rest = [k for k in rest if not any(_covers(own, k) for own in self.against)]
            place = varied.label(condition.config, rest)
            minus = f" − {name}" if name else ""
            statistic = f"{self.metric}{minus}" + (f"; {place}" if place else "")
            yield Claim(self.claim, statistic, values, self.side, self.bound, self.half_width)

    def _compared(self, condition: Condition, sweep: Sweep) -> tuple[str, PerSeed] | None:
        """Return what the metric is compared with, and the differences by seed."""
        value = self._value
        if self.side in OF_PUBLISHED:
            return "", value(condition)
        if self.against == "initial":
            before = epoch_value(condition, self.metric, 0)
            return "initial", {seed: v - before[seed] for seed, v in value(condition).items()}
        if self.against == "teacher":
            teacher = _teacher_accuracy(condition)
            return "teacher", {seed: v - teacher[seed] for seed, v in value(condition).items()}
        if isinstance(self.against, str):
            other_metric = condition.final(self.against)
            ours = value(condition)
            return self.against, {seed: v - other_metric[seed] for seed, v in ours.items()}
        own = {*self.where, *self.against}
        same = {
            key: condition.config.get(key)
            for key in sweep.swept
            if not any(_covers(name, key) for name in own)
        }
        for other in sweep.conditions:
            if _has(other, same | self.against) and other is not condition:
                return varied.label(self.against, list(self.against)), paired(
                    condition, other, value
                )
        return None

    def _value(self, condition: Condition) -> PerSeed:
        if self.metric == _OF_TEACHER:
            return _teacher_accuracy(condition)
        return condition.final(self.metric)


def declared(sweep: Sweep) -> list[Declared]:
    """Return the claims that the sweep's file declares, if it has one."""
    file = sweep_file(sweep)
    return [] if file is None else entries(file)


def entries(file: Path) -> list[Declared]:
    """Return the claims that a sweep's file declares."""
    content = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    return [Declared.of(entry, file) for entry in content.get(KEY, [])]


def _teacher_accuracy(condition: Condition) -> PerSeed:
    last = condition.teacher.filter(pl.col("epoch") == condition.teacher["epoch"].max())
    return dict(zip(last["seed"].to_list(), last[metrics.TEACHER_ACCURACY].to_list(), strict=True))


def _metric(name: object) -> bool:
    """Tell whether it is a metric's name, perhaps followed by those of layers or states."""
    return any(f"{name}/".startswith(f"{known}/") for known in metrics.NAMES)


def _flat(values: Mapping[str, Any]) -> varied.Flat:
    return {key: varied.plain(value) for key, value in values.items()}


def _has(condition: Condition, values: varied.Flat) -> bool:
    return all(condition.config.get(key) == value for key, value in values.items())


def _covers(name: str, key: str) -> bool:
    return f"{key}.".startswith(f"{name}.")
