"""`python docs/generate/results.py outputs`: the claims of the papers behind this framework.

Finished runs are first added to data/results.parquet beside the page, from which the page and the
main result in README.md are written.
"""

from collections.abc import Sequence
from pathlib import Path

import glance
import polars as pl
from archive import Archive, Size, command_line, found

from subliminal import store
from subliminal.errors import UserError
from subliminal.report import varied
from subliminal.report.page import Report, write_page
from subliminal.report.tables import markdown

SWEEPS = ("paper", "paper_sgd", "cloud2025")
MAIN: dict[str, varied.Flat] = {  # option of conf/mitigation: its values
    "none": {"mitigation": "none"},
    "liminal": {"mitigation": "liminal", "mitigation.liminal.schedule": "linear_decay"},
    "projection": {"mitigation": "projection", "mitigation.projection.space": "gradient"},
    "random_projection": {"mitigation": "random_projection"},
}
SHOWN = ("n", "trait accuracy", "paired difference", "p (Holm)", "alignment")
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


def write(
    outputs: Sequence[Path], page: Path, *, replace_all: bool = False, readme: Path | None = None
) -> list[str]:
    """Write the page, its figures in `figures/` beside it, its numbers in `data/`.

    Runs that are found below `outputs` replace those in the file, sweep by sweep, unless they are
    of fewer conditions or seeds.

    Args:
        outputs: folders that hold sweeps' folders; empty: use only the file's runs.
        page: the page's file.
        replace_all: accept fewer conditions or seeds too.
        readme: the file with the main result; None: README.md above the page's folder.

    Returns:
        A line for each sweep that was kept though it has finished runs.

    Raises:
        UserError: a sweep has no run, or the README no markers.
    """
    readme = readme or page.parent.parent / "README.md"
    before, after = around(readme, BEGIN, END)
    data = page.parent / "data" / f"{page.stem}.parquet"
    archive = Archive.read(data)
    sizes = {name: Size(0, 0) if replace_all else archive.size(name) for name in SWEEPS}
    archive, kept = archive.fold(found(SWEEPS, outputs), sizes, steps=True)
    archive.write(data)
    sweeps = {name: archive.sweep(name) for name in SWEEPS}
    if missing := [name for name, sweep in sweeps.items() if sweep is None]:
        raise UserError(f"{data}: no run of {', '.join(missing)}; `make paper` trains them")
    reports = [Report(sweep) for sweep in sweeps.values() if sweep is not None]
    link = f"[data/{data.name}](data/{data.name})"
    write_page(reports, page, f"Written by `make paper` from the runs in {link}.", pdf=False)
    store.write_text(readme, f"{before}{main_result(reports[0])}{after}")
    tested = [
        table.select(pl.lit(report.sweep.name).alias("sweep"), pl.all())
        for report in reports
        if (table := report.tables.get("Verdicts", pl.DataFrame())).height
    ]
    if tested:
        store.write_text(data.with_name(f"{page.stem}_claims.csv"), pl.concat(tested).write_csv())
        glance.write(page.parent)
    return kept


def around(file: Path, first: str, last: str) -> tuple[str, str]:
    """Return a file's text before and after what stands between two markers, with these.

    Raises:
        UserError: the markers are missing.
    """
    before, begin, rest = file.read_text(encoding="utf-8").partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise UserError(f"{file}: the lines {first} and {last} are needed, in this order")
    return f"{before}{begin}\n", f"\n{end}{after}"


def main_result(report: Report) -> str:
    """Return the main result as Markdown: a row for each condition of MAIN."""
    names = {
        condition.name: option
        for option, values in MAIN.items()
        for condition in report.sweep.conditions
        if values.items() <= condition.config.items()
    }
    rows = report.tables["Results"].filter(pl.col("condition").is_in(list(names)))
    shown = [name for name in SHOWN if name in rows.columns]  # one condition has no differences
    table = rows.select(pl.col("condition").replace(names).alias("mitigation"), *shown)
    return f"{markdown(table)}\n\n{report.caption} {report.made_with}"


if __name__ == "__main__":
    command_line("results", write, __doc__)
