"""Each claim's verdicts in one row, for any number of conditions; docs/claims.md counts them."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
from systems import SYSTEMS

from subliminal import store
from subliminal.report.declared import named_sweeps
from subliminal.report.tables import markdown

VERDICTS = {"holds": "hold", "refuted": "refuted", "undecided": "undecided"}  # verdict: its plural


PAGES = ("results", "related")  # each has its claims in data/<name>_claims.csv
HEAD = """# Claims at a glance

The claims that the sweeps here test, counted; `make pages` writes this page. A claim holds where,
in all conditions that it was tested in, the 95% confidence interval lies wholly on the claimed
side; it is refuted where all intervals lie wholly on the other. [Results](results.md) has the
papers that this framework starts from, [related work](related.md) the others."""


def write(docs: Path) -> None:
    """Write `claims.md` in the folder from the tables of claims in its `data/`."""
    found = []
    for name in PAGES:
        if (file := docs / "data" / f"{name}_claims.csv").is_file():
            table = pl.read_csv(file, infer_schema=False).fill_null("")
            for of in table.partition_by("sweep", maintain_order=True):
                rows = claims({of["sweep"][0]: of}, f"{name}.md")
                system = _system(of["sweep"][0], f"{name}.md")
                found.append(rows.with_columns(pl.lit(system).alias("system"), _whole(rows)))
    if not found:  # of runs that test no claim
        return
    every = pl.concat(found).with_columns(word=pl.col("found").map_elements(_word, pl.String))
    counted = [
        {"experiments": of["system"][0], "claims": str(of.height)}
        | {word: str((of["word"] == word).sum()) for word in (*VERDICTS, "mixed")}
        for of in every.partition_by("system", maintain_order=True)
    ]
    parts = [HEAD, markdown(pl.DataFrame(counted), marked=("experiments",))]
    for title, words in (("Refuted", ["refuted"]), ("Undecided or mixed", ["undecided", "mixed"])):
        if (of := every.filter(pl.col("word").is_in(words))).height:
            parts += [f"## {title}", markdown(of.drop("system", "word"), marked=("sweep",))]
    store.write_text(docs / "claims.md", "\n\n".join(parts) + "\n")


def _system(sweep: str, page: str) -> str:
    """Return a link to the work that a sweep repeats, or to the sweep itself."""
    of = (system.title for system in SYSTEMS if system.has(named_sweeps()[sweep]))
    title = next(of, sweep)
    return f"[{title}]({page}#{title.lower().replace(' ', '-')})"


def _whole(rows: pl.DataFrame) -> pl.Series:
    """Return the claims with what those that go on (`… and …`) go on from."""
    whole, start = [], ""
    for claim in rows["claim"]:
        goes_on = re.sub(r"^\d\. ", "", claim).startswith("…")
        whole.append(f"{start} {claim}" if goes_on else claim)
        start = start if goes_on else claim
    return pl.Series("claim", whole)


def _word(found: str) -> str:
    return "mixed" if "," in found else found.partition(" ")[0]


def claims(verdicts: Mapping[str, pl.DataFrame], page: str = "") -> pl.DataFrame:
    """Return a row for each claim, in their order.

    Args:
        verdicts: sweep to its table of verdicts, empty where no claims were declared.
        page: where the sweeps' sections are; empty: on the same page.
    """
    rows = [
        {
            "sweep": f"[{name}]({page}#{re.sub('[^a-z0-9_-]', '', name.lower())})",
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
