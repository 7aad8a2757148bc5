"""Claims of a sweep's file, tested on the conditions that were run.

Their keys are explained in docs/extending.md, "A sweep's claims".
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from subliminal import metrics
from subliminal.config import groups
from subliminal.errors import UserError
from subliminal.report import varied
from subliminal.report.claim import OF_PUBLISHED, Claim, text_of
from subliminal.report.conditions import Condition, PerSeed, Sweep, paired, per_seed
from subliminal.report.statistics import adjusted_p, format_effect, mean_ci
from subliminal.report.tables import teacher_accuracies

KEY = "claims"  # key of a sweep's file, hidden from Hydra
_KEYS = {"claim", "where", "metric", "over", "against", "relative", "expect"}
_NUMBER = r"(\d+\.?\d*|\.\d+)"
_EXPECTED = re.compile(
    rf"([<>] 0)|(within|includes) {_NUMBER}|(mean) {_NUMBER} ?(?:±|\+/?-) ?{_NUMBER}"
)
_OVER = {  # values of `over`: the statistic's text
    "end": "{}",
    "run": "mean {}",
    "sum": "sum of {}",
    "positive": "share of steps with positive {}",
    r"epochs? (\d+)(?:-(\d+))?": "mean {} in {over}",
    r"step (\d+)": "{} at {over}",
}


@dataclass(frozen=True)
class Declared:
    """One entry of `claims`."""

    claim: str
    where: varied.Flat
    metric: str
    over: tuple[str, ...]
    against: str | float | varied.Flat
    relative: bool
    side: str
    bound: float
    half_width: float

    @classmethod
    def of(cls, entry: Any, file: Path) -> "Declared":
        """Read one entry.

        Raises:
            UserError: a key is missing or unknown, or a value is not allowed.
        """
        here = f"{file.name}: {KEY}"
        if not isinstance(entry, dict) or not {"claim", "expect"} <= set(entry) <= _KEYS:
            raise UserError(f"{here}: {entry!r} should be a mapping of {', '.join(sorted(_KEYS))}")
        expected = _EXPECTED.fullmatch(str(entry["expect"]))
        if expected is None:
            sides = "'> 0', '< 0', 'within 0.05', 'includes 0.7' or 'mean 0.7 ± 0.03'"
            raise UserError(f"{here}: expect={entry['expect']!r}: {sides}")
        metric = entry.get("metric", metrics.TRAIT_ACCURACY)
        if not _metric(metric):
            raise UserError(f"{here}: there is no metric {metric!r}")
        over = entry.get("over", "end")
        over = (over,) if isinstance(over, str) else tuple(over)
        if wrong := [one for one in over if _kind(one) is None]:
            kinds = "end, run, sum, positive, 'epoch 1', 'epochs 2-5' or 'step 147'"
            raise UserError(f"{here}: over={wrong[0]!r}: {kinds}")
        side = expected[1] or expected[2] or expected[4]
        of_value = side in OF_PUBLISHED or over != ("end",)
        against = entry.get("against", 0 if of_value else "initial")
        known = against in ("initial", "teacher") or _metric(against)
        if not isinstance(against, dict | int | float) and not known:
            allowed = "initial, teacher, a number, a metric or config keys"
            raise UserError(f"{here}: against={against!r}: {allowed}")
        return cls(
            claim=entry["claim"],
            where=_flat(entry.get("where", {})),
            metric=metric,
            over=over,
            against=_flat(against) if isinstance(against, dict) else against,
            relative=bool(entry.get("relative", False)),
            side=side,
            bound=float(expected[3] or expected[5] or 0),
            half_width=float(expected[6] or 0),
        )

    def claims(self, sweep: Sweep) -> Iterator[Claim]:
        """Yield the claim for each condition that `where` selects, if its counterpart was run."""
        for condition in (c for c in sweep.conditions if _has(c, self.where)):
            for over in self.over:
                ours = _values(condition, self.metric, over)
                name, theirs = self._compared(condition, sweep, over)
                values = paired(ours, theirs)
                if self.relative:
                    values = {seed: change / theirs[seed] for seed, change in values.items()}
                if not values:
                    continue
                text = _OVER[_kind(over) or ""].format(self.metric, over=over)
                if name:
                    text += f" ÷ {name} − 1" if self.relative else f" − {name}"
                if place := varied.label(condition.config, self._others(sweep)):
                    text += f"; {place}"
                yield Claim(self.claim, text, values, self.side, self.bound, self.half_width)

    def _compared(self, condition: Condition, sweep: Sweep, over: str) -> tuple[str, PerSeed]:
        """Return the name and values of the claim's counterpart; {} if it was not run."""
        if isinstance(self.against, dict):
            same = {key: condition.config.get(key) for key in self._others(sweep)}
            for other in sweep.conditions:
                if _has(other, same | self.against) and other is not condition:
                    name = varied.label(self.against, list(self.against))
                    return name, _values(other, self.metric, over)
            return "", {}
        if isinstance(self.against, int | float):
            name = f"{self.against:g}" if self.against else ""
            return name, dict.fromkeys(condition.seeds, self.against)
        if self.against == "initial":
            logged = self.metric in condition.epochs.columns
            return "initial", condition.in_epoch(self.metric, 0) if logged else {}
        if self.against == "teacher":
            return "teacher", teacher_accuracies([condition])
        return self.against, _values(condition, self.against, over)

    def _others(self, sweep: Sweep) -> list[str]:
        """Return the swept keys that neither `where` nor `against` names."""
        own = [*self.where, *(self.against if isinstance(self.against, dict) else ())]
        return [key for key in sweep.swept if not any(f"{key}.".startswith(f"{o}.") for o in own)]


def verdicts(sweep: Sweep) -> pl.DataFrame:
    """Return the verdicts on the claims of the sweep's file; an empty table if there is no file.

    Conditions with settings that the file does not give are left out.
    """
    file = sweep_file(sweep) if sweep.decides else None
    same = replace(sweep, conditions=[c for c in sweep.conditions if file and not _added(c, file)])
    found = [claim for entry in entries(file) for claim in entry.claims(same)] if file else []
    tested = [[*c.values.values()] if c.side in ("> 0", "< 0") else [] for c in found]
    rows = []
    for claim, p in zip(found, adjusted_p(tested), strict=True):
        sample = list(claim.values.values())
        rows.append(
            {
                "claim": claim.text,
                "statistic": f"{claim.statistic} ({claim.expected})",
                "mean [95% CI]": text_of(mean_ci(sample), sign=claim.side not in OF_PUBLISHED),
                "n": str(len(sample)),
                "d_z": "" if claim.side in OF_PUBLISHED else format_effect(sample),
                "p (Holm)": "" if p is None else f"{p:.1g}",
                "verdict": claim.verdict,
            }
        )
    return pl.DataFrame(rows)


def untested(sweep: Sweep) -> str:
    """Return a sentence on conditions that no claim is tested on; "" if there is none."""
    file = sweep_file(sweep)
    added = {key for c in sweep.conditions if file and entries(file) for key in _added(c, file)}
    only = f"The claims of {file.name if file else ''} are tested in its own setting only"
    return f"{only}; runs here set {', '.join(sorted(added))}." if added else ""


def _added(condition: Condition, file: Path) -> set[str]:
    """Return the keys that a condition's overrides name and the sweep's file does not vary."""
    named = condition.summaries[0].get("condition", "") if condition.summaries else ""
    return {word.partition("=")[0] for word in named.split(",") if "=" in word} - _axes(file)


@lru_cache(maxsize=1)
def _axes(file: Path) -> set[str]:
    """Return the keys that a sweep's file varies, spelled as in a condition's name."""
    content = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    sweeper = content.get("hydra", {}).get("sweeper", {})
    words = [word for of in (sweeper.get("params") or {}, *sweeper.get("grids", [])) for word in of]
    keys = (word.partition("=")[0].lstrip("+~") for word in words)
    own = {"generation"} if "generations" in (content.get("distill") or {}) else set()
    return own | {key.replace("/", ".").replace("@", ".") for key in keys}


def sweep_file(sweep: Sweep) -> Path | None:
    """Return the file of `sweeps/` whose `name` is the end of the runs' folder, or None."""
    place = sweep.directory.resolve().as_posix()
    return next((file for name, file in named_sweeps().items() if place.endswith(f"/{name}")), None)


@lru_cache(maxsize=1)
def named_sweeps() -> dict[str, Path]:
    """Return the files of `sweeps/` by the experiment that they name, the deepest name first."""
    found = {}
    for file in groups.sweeps().values():
        if name := re.search(r"^name: (\S+)$", file.read_text(encoding="utf-8"), re.MULTILINE):
            found[name[1]] = file
    return dict(sorted(found.items(), key=lambda item: (-item[0].count("/"), item[0])))


def entries(file: Path) -> list[Declared]:
    """Return the claims that a sweep's file declares."""
    content = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    return [Declared.of(entry, file) for entry in content.get(KEY, [])]


def _kind(over: object) -> str | None:
    return next((kind for kind in _OVER if re.fullmatch(kind, str(over))), None)


def _values(condition: Condition, metric: str, over: str) -> PerSeed:
    """Return each seed's value of a metric; {} if it was not measured."""
    if over == "end" or metric == metrics.TEACHER_ACCURACY:
        return condition.final(metric)
    if not condition.logged(metric):
        return {}
    if over in ("run", "positive"):
        return {"run": condition.over_run, "positive": condition.positive}[over](metric)
    if over == "sum":
        return per_seed(condition.steps, pl.col(metric).sum())
    numbers = [int(number) for number in re.findall(r"\d+", over)]
    if over.startswith("step"):
        chosen = pl.col("step") == numbers[0]
    else:  # steps of the first epoch have `epoch` in [0, 1)
        chosen = (pl.col("epoch") >= numbers[0] - 1) & (pl.col("epoch") < numbers[-1])
    return per_seed(condition.steps.filter(chosen).drop_nulls(metric), pl.col(metric).mean())


def _metric(name: object) -> bool:
    """Tell whether this is a metric's name, perhaps with a layer or a state appended."""
    return any(f"{name}/".startswith(f"{known}/") for known in metrics.NAMES)


def _flat(values: Mapping[str, Any]) -> varied.Flat:
    return {key: varied.plain(value) for key, value in values.items()}


def _has(condition: Condition, values: varied.Flat) -> bool:
    return all(condition.config.get(key) == value for key, value in values.items())
