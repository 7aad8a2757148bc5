"""Conditions compared seed by seed, with the report's own statistics."""

from __future__ import annotations

import polars as pl

from subliminal import metrics
from subliminal.api.results import Runs
from subliminal.errors import UserError
from subliminal.report import varied
from subliminal.report.claim import PerSeed, paired
from subliminal.report.runs import Condition
from subliminal.statistics import effect_size, holm, mean_ci, paired_p

_SCHEMA = {
    "n": pl.Int64,
    "difference": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "d_z": pl.Float64,
    "p": pl.Float64,
    "p (Holm)": pl.Float64,
}


def compare(
    runs: Runs,
    by: str,
    metric: str = metrics.TRAIT_ACCURACY,
    *,
    against: varied.Value = None,
) -> pl.DataFrame:
    """Return the paired differences between the conditions that differ in one config key.

    A row for each value of the key but one, and for each setting of the other keys that vary: the
    metric after the last epoch less that of the run with the same seed and the value `against`.

    Args:
        runs: of `train` or `load`.
        by: the key, such as `mitigation`, `distill.init` or `optim.lr`; keys below it count too.
        metric: of the runs' epochs.
        against: a value of the key; None: the report's baseline's, else the first there is.

    Returns:
        `by` and `against` (values, as text), the other keys that vary; n (pairs), difference
        (mean), low and high (BCa bootstrap 95% interval), d_z (mean over SD), p (two-sided,
        sign-flip permutation test) and p adjusted by Holm's procedure for all rows.

    Raises:
        UserError: the key does not vary, no run has the metric, or there is no such value.
    """
    sweep = runs.sweep
    keys = [key for key in sweep.swept if f"{key}.".startswith(f"{by}.")]
    if not keys:
        there = ", ".join(sweep.swept) or "nothing"
        raise UserError(f"compare: {by} does not vary in these runs; there varies: {there}")
    measured = sorted({name for c in sweep.conditions for name in c.epochs.columns if "/" in name})
    if metric not in measured:
        raise UserError(f"compare: no metric {metric}; there is {', '.join(measured)}")
    others = [k for k in sweep.swept if k not in keys and k.partition(".")[0] != "probe"]
    groups: dict[str, list[Condition]] = {}
    for condition in sweep.conditions:
        groups.setdefault(varied.label(condition.config, others), []).append(condition)
    base = _value(sweep.baseline, keys) if against is None else varied.show(against)
    known = list(dict.fromkeys(_value(condition, keys) for condition in sweep.conditions))
    if base not in known:
        raise UserError(f"compare: against={base}: {by} has the values {', '.join(known)}")
    rows, differences = [], []
    for members in groups.values():
        named = {_value(condition, keys): condition for condition in members}
        first = base if base in named or against is not None else next(iter(named))
        for value, condition in named.items():
            if value == first or first not in named:
                continue
            pairs = list(paired(condition, named[first], lambda c: _final(c, metric)).values())
            if pairs:
                settings = {key: _shown(condition, key) for key in others}
                rows.append({by: value, "against": first, **settings})
                differences.append(pairs)
    return _table(rows, differences, [by, "against", *others])


def _table(
    rows: list[dict[str, str]], differences: list[list[float]], texts: list[str]
) -> pl.DataFrame:
    p_values = [paired_p(pairs) for pairs in differences]
    numbers = []
    for pairs, p, adjusted in zip(differences, p_values, holm(p_values), strict=True):
        e = mean_ci(pairs)
        numbers.append((e.n, e.mean, e.low, e.high, effect_size(pairs), p, adjusted))
    schema = {**dict.fromkeys(texts, pl.String), **_SCHEMA}
    table = [(*row.values(), *of) for row, of in zip(rows, numbers, strict=True)]
    return pl.DataFrame(table, schema=schema, orient="row")


def _value(condition: Condition, keys: list[str]) -> str:
    """Return the values of keys as text: of one key its value alone."""
    if len(keys) == 1:
        return _shown(condition, keys[0])
    return varied.label(condition.config, keys)


def _shown(condition: Condition, key: str) -> str:
    return varied.show(condition.config[key]) if key in condition.config else "–"


def _final(condition: Condition, metric: str) -> PerSeed:
    if metric not in condition.epochs.columns:
        return {}
    return {seed: v for seed, v in condition.final(metric).items() if v is not None}
