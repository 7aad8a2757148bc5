"""What was found of each claim, in one row, whatever the number of conditions it was tested in."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import earlier
import polars as pl

VERDICTS = {"holds": "hold", "refuted": "refuted", "undecided": "undecided"}  # one; several


def claims(sections: Mapping[str, str]) -> pl.DataFrame:
    """Return a row for each claim that a section's verdicts are on, in their order.

    Args:
        sections: sweep to its section, which may have a table with a column `verdict`.
    """
    rows = []
    for name, text in sections.items():
        tested: dict[str, list[earlier.Cells]] = {}
        for row in earlier.table(text, "verdict"):
            tested.setdefault(row["claim"], []).append(row)
        for claim, of in tested.items():
            rows.append(
                {
                    "sweep": f"[{name}](#{re.sub('[^a-z0-9_-]', '', name.lower())})",
                    "claim": claim,
                    "found": _found([row["verdict"] for row in of]),
                    "mean [95% CI]": _means([row["mean [95% CI]"] for row in of]),
                }
            )
    return pl.DataFrame(rows)


def tally(section: str) -> str:
    """Return `2 hold, 1 refuted, 1 undecided`, of a section's verdicts."""
    number = _count([row["verdict"] for row in earlier.table(section, "verdict")])
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
