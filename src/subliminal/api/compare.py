"""Conditions compared seed by seed, with the report's own statistics."""

from __future__ import annotations

import polars as pl

from subliminal import metrics
from subliminal.api.results import Runs, checked
from subliminal.errors import UserError, there_is
from subliminal.report import varied
from subliminal.report.conditions import Condition, paired
from subliminal.report.statistics import adjusted_p, effect_size, mean_ci, paired_p

_NUMBERS = {"n": pl.Int64} | dict.fromkeys(
    ("difference", "low", "high", "d_z", "p", "p (Holm)"), pl.Float64
)


def compare(
    runs: Runs, by: str, metric: str = metrics.TRAIT_ACCURACY, *, against: varied.Value = None
) -> pl.DataFrame:
    """Return the paired differences between the conditions that differ in one config key.

    A row for each value of the key but one, and for each setting of the other keys that vary: the
    metric after the last epoch, minus that of the run with the same seed and the value `against`.

    Args:
        runs: of `train` or `load`.
        by: the key, such as `mitigation`, `distill.init` or `optim.lr`; keys below it count too.
        metric: of the runs' epochs, the student's or else the teacher's.
        against: a value of the key; None: the value of the report's baseline, else the first.

    Returns:
        `by` and `against` (values, as text), the other keys that vary; n (pairs), difference
        (mean), low and high (BCa bootstrap 95% interval), d_z (mean over SD), p (two-sided,
        sign-flip permutation test) and p adjusted by Holm's procedure for all rows with n > 1;
        null where n = 0.

    Raises:
        UserError: the key does not vary, no run has the metric, the value does not occur, or no
            two runs form a pair.
    """
    sweep = checked(runs, "compare").sweep
    keys = [key for key in sweep.swept if f"{key}.".startswith(f"{by}.")]
    if not keys:
        there = ", ".join(sweep.swept) or "nothing"
        raise UserError(f"compare: {by} does not vary in these runs; there varies: {there}")
    tables = [table for c in sweep.conditions for table in (c.epochs, c.teacher)]
    measured = sorted(
        {name for t in tables for name in t.columns if "/" in name and t[name].count()}
    )
    if metric not in measured:
        raise UserError(f"compare: no metric {metric}; {there_is(metric, measured)}")
    others = [k for k in sweep.swept if k not in keys and k.partition(".")[0] != "probe"]
    groups: dict[str, dict[str, Condition]] = {}  # by the other keys' values, then by the key's
    for condition in sweep.conditions:
        group = groups.setdefault(varied.label(condition.config, others), {})
        group[_value(condition, keys)] = condition
    base = _value(sweep.baseline, keys) if against is None else varied.show(against)
    known = list(dict.fromkeys(value for group in groups.values() for value in group))
    if base not in known:
        raise UserError(f"compare: against={base}: {by} has the values {', '.join(known)}")
    found: list[tuple[dict[str, str], list[float]]] = []
    for group in groups.values():
        first = base if base in group or against is not None else next(iter(group))
        for value, condition in group.items():
            if value == first or first not in group:
                continue
            ours, theirs = (c.final(metric) for c in (condition, group[first]))
            settings = {key: _value(condition, [key]) for key in others}
            pairs = list(paired(ours, theirs).values())
            found.append(({by: value, "against": first, **settings}, pairs))
    if not any(pairs for _, pairs in found):
        raise UserError(f"compare: no two runs that differ in {by} alone have a seed in common")
    rows: list[tuple[object, ...]] = []
    for (texts, pairs), p in zip(found, adjusted_p([of for _, of in found]), strict=True):
        numbers: tuple[object, ...] = (0, *[None] * (len(_NUMBERS) - 1))
        if pairs:
            e = mean_ci(pairs)
            numbers = (e.n, e.mean, e.low, e.high, effect_size(pairs), paired_p(pairs), p)
        rows.append((*texts.values(), *numbers))
    schema = {**dict.fromkeys([by, "against", *others], pl.String), **_NUMBERS}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _value(condition: Condition, keys: list[str]) -> str:
    """Return the values of keys as text: of one key its value alone."""
    if len(keys) > 1:
        return varied.label(condition.config, keys)
    return varied.show(condition.config[keys[0]]) if keys[0] in condition.config else "–"
