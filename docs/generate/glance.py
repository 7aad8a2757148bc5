"""Each claim's verdicts in one row, for any number of conditions."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import polars as pl

VERDICTS = {"holds": "hold", "refuted": "refuted", "undecided": "undecided"}  # verdict: its plural


def claims(verdicts: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Return a row for each claim, in their order.

    Args:
        verdicts: sweep to its table of verdicts, empty where no claims were declared.
    """
    rows = [
        {
            "sweep": f"[{name}](#{re.sub('[^a-z0-9_-]', '', name.lower())})",
            "claim": of["claim"][0],
            "found": _found(of["verdict"].to_list()),
            "mean [95% CI]": _means(of["mean [95% CI]"].to_list()),
        }
        for name, table in verdicts.items()
        if table.height
        for of in table.partition_by("claim", maintain_order=True)
    ]
    return pl.DataFrame(rows)


def tally(verdicts: pl.DataFrame) -> str:
    """Return `2 hold, 1 refuted, 1 undecided`."""
    number = _count(verdicts["verdict"].to_list()) if verdicts.height else {}
    return ", ".join(f"{n} {VERDICTS[v]}" for v, n in number.items()) or "none declared"


def _count(verdicts: Sequence[str]) -> dict[str, int]:
    number = Counter(verdict.partition(" ")[0] for verdict in verdicts)
    return {verdict: number[verdict] for verdict in VERDICTS if number[verdict]}


def _found(verdicts: Sequence[str]) -> str:
    """Return `holds`; of several conditions `holds in all 6`, `holds in 4, refuted in 2`."""
    if len(verdicts) == 1:
        return verdicts[0]
    number = _count(verdicts)
    if len(number) == 1:
        return f"{next(iter(number))} in all {len(verdicts)}"
    return ", ".join(f"{verdict} in {n}" for verdict, n in number.items())


def _means(estimates: Sequence[str]) -> str:
    """Return the one estimate, or the least and the greatest mean of several."""
    if len(estimates) == 1:
        return estimates[0]
    means = sorted((estimate.partition(" ")[0] for estimate in estimates), key=float)
    return f"{means[0]} to {means[-1]}"
