"""`python -m subliminal.report <outputs/experiment> [--readme README.md]`."""

import argparse
import sys
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table

from subliminal import metrics, store
from subliminal.errors import UserError
from subliminal.report.figure import WINDOW, main_figure
from subliminal.report.runs import load
from subliminal.report.tables import by_epoch, markdown, results, teacher_accuracy

BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


def main() -> None:
    """Print the tables, write them and the figure to `<experiment>/report/`."""
    parser = argparse.ArgumentParser(prog="python -m subliminal.report", description=__doc__)
    parser.add_argument("experiment", type=Path, help="a folder of runs, e.g. outputs/reference")
    parser.add_argument(
        "--readme",
        type=Path,
        help=f"also put tables and figure between {BEGIN} and {END} of this file",
    )
    arguments = parser.parse_args()
    try:
        _report(arguments.experiment, arguments.readme)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def _report(experiment: Path, readme: Path | None) -> None:
    conditions = load(experiment)
    folder = experiment / "report"
    folder.mkdir(exist_ok=True)
    teacher = teacher_accuracy(conditions)
    sections = {
        "Results": results(conditions),
        "Trait accuracy after each epoch": by_epoch(conditions, metrics.TRAIT_ACCURACY, 3),
        "Alignment, mean over each epoch's steps": by_epoch(conditions, metrics.ALIGNMENT, 4),
    }
    for suffix in ("png", "pdf"):
        main_figure(conditions, float(teacher.split()[0]), folder / f"figure.{suffix}")
    caption = (
        f"Mean over n = {len(conditions[0].seeds)} seeds with bootstrap 95% CI; alignment: moving "
        f"average over {WINDOW} steps; accuracy: single seeds faint. Teacher accuracy {teacher}."
    )
    text = "\n\n".join(f"**{title}**\n\n{markdown(table)}" for title, table in sections.items())
    store.write_text(folder / "results.md", f"{text}\n\n{caption}\n")
    for title, table in sections.items():
        _print(title, table)
    print(caption)
    print(f"Files: {folder}")
    if readme is not None:
        _insert(readme, folder / "figure.png", f"{caption}\n\n{text}")


def _print(title: str, table: pl.DataFrame) -> None:
    shown = Table(title=title, title_justify="left")
    for column in table.columns:
        shown.add_column(column, justify="left" if column == "condition" else "right")
    for row in table.iter_rows():
        shown.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 170).print(shown)


def _insert(readme: Path, figure: Path, text: str) -> None:
    before, begin, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UserError(f"{readme}: the lines {BEGIN} and {END} are needed, in this order")
    copy = readme.parent / "docs" / "figures" / "reference.png"
    copy.parent.mkdir(parents=True, exist_ok=True)
    store.write_atomically(copy, lambda path: _copy(figure, path))
    picture = f"![Alignment and trait accuracy]({copy.relative_to(readme.parent)})"
    store.write_text(readme, f"{before}{BEGIN}\n{picture}\n\n{text}\n{END}{after}")


def _copy(source: Path, target: Path) -> None:
    target.write_bytes(source.read_bytes())


if __name__ == "__main__":
    main()
