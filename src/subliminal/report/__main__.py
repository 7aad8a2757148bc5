"""`python -m subliminal.report outputs/reference`: tables, figures and a page for each sweep."""

import argparse
import sys
from pathlib import Path

from subliminal.config import command, terminal

DAMAGED = 3  # exit status: some runs were damaged and left out


def main() -> None:
    """Print the table of each sweep; write tables, figures and pages to its folder `report/`."""
    terminal.settle()
    parser = command.Parser(prog="python -m subliminal.report", description=__doc__)
    parser.add_argument(
        "runs",
        type=Path,
        nargs="*",
        default=[Path("outputs")],
        help="folders of runs, conditions or experiments (default: outputs)",
    )
    parser.add_argument("--text", action="store_true", help="print the table, write nothing")
    parser.add_argument(
        "--together", type=Path, metavar="FOLDER", help="one report on all of it, written there"
    )
    arguments = parser.parse_args()
    stopped = "Stopped; the same command writes the report again."
    sys.exit(command.status(lambda: _report(arguments), stopped))


def _report(arguments: argparse.Namespace) -> int:
    from subliminal.report import text
    from subliminal.report.read import load

    sweeps = load(arguments.runs, together=arguments.together is not None)
    lines: list[str] = []
    if not arguments.text:  # files first, in case the terminal fails
        from subliminal.report.escape import markdown_code
        from subliminal.report.html import write_html
        from subliminal.report.page import Report, write_page
        from subliminal.report.wandb_report import log_report

        reports = [Report(sweep) for sweep in sweeps]
        for report in reports:
            folder = arguments.together or report.sweep.directory / "report"
            report.write_tables(folder)
            words = f"python -m subliminal.report outputs/{report.sweep.name}"
            written = f"Written by {markdown_code(words)}."
            write_page([report], folder / "results.md", written)
            write_html(report, folder / "index.html")
            lines.append(f"Files: {folder} (open {folder / 'index.html'})")
            drawn = {path.stem: path for path in sorted(folder.glob("figures/*.png"))}
            if line := log_report(report.sweep.directory, report.tables, drawn):
                lines.append(line)
    for sweep in sweeps:
        text.show(sweep)
    for line in lines:
        print(terminal.printable(line))
    problems = [problem for sweep in sweeps for problem in sweep.problems]
    for problem in problems:
        print(f"damaged and left out: {terminal.printable(problem)}", file=sys.stderr)
    return DAMAGED if problems else 0


if __name__ == "__main__":
    main()
