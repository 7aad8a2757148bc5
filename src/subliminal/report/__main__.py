"""`python -m subliminal.report outputs/reference`: tables and figures of experiments' runs."""

import argparse
import sys
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table

from subliminal import store
from subliminal.errors import UserError
from subliminal.report.page import Report, insert, write_page
from subliminal.trackers.wandb_report import log_report

WIDTH = 170  # columns, when not on a terminal


def main() -> None:
    """Print the tables; write them, and the figures, to each experiment's folder `report/`."""
    parser = argparse.ArgumentParser(prog="python -m subliminal.report", description=__doc__)
    parser.add_argument(
        "experiments", type=Path, nargs="+", help="folders of runs, e.g. outputs/reference"
    )
    parser.add_argument(
        "--page", type=Path, metavar="FILE", help="also write a Markdown page, figures beside it"
    )
    parser.add_argument(
        "--readme",
        type=Path,
        metavar="FILE",
        help="also fill the results section of this file, from the first experiment",
    )
    arguments = parser.parse_args()
    try:
        reports = [Report.of(experiment) for experiment in arguments.experiments]
        for experiment, report in zip(arguments.experiments, reports, strict=True):
            folder = experiment / "report"
            write_page([report], folder / "results.md")
            for title, table in report.tables.items():
                _print(f"{report.experiment}: {title}", table)
                store.write_text(folder / f"{_file_name(title)}.csv", table.write_csv())
            print(report.caption)
            print(f"Files: {folder}")
            figures = {path.stem: path for path in sorted(folder.glob("figures/*.png"))}
            if line := log_report(experiment, report.tables, figures):
                print(line)
        if arguments.page is not None:
            write_page(reports, arguments.page)
        if arguments.readme is not None:
            insert(reports[0], arguments.readme)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def _print(title: str, table: pl.DataFrame) -> None:
    shown = Table()
    for column in table.columns:
        text = column in ("condition", "claim", "statistic", "verdict")
        shown.add_column(column, justify="left" if text else "right")
    for row in table.iter_rows():
        shown.add_row(*row)
    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    console.print(title, markup=False, soft_wrap=True)
    console.print(shown)


def _file_name(title: str) -> str:
    return title.split(",")[0].lower().replace(" ", "_")


if __name__ == "__main__":
    main()
