"""`python -m subliminal.report outputs/reference`: tables, figures and a page of sweeps' runs."""

import argparse
import sys
from pathlib import Path

from subliminal import terminal
from subliminal.config.resources import refuse_namesake
from subliminal.errors import UserError, of_system

DAMAGED = 3  # exit status: reported, but for damaged runs


def main() -> None:
    """Print the table of each sweep; write tables, figures and pages to its folder `report/`."""
    terminal.settle()
    parser = argparse.ArgumentParser(prog="python -m subliminal.report", description=__doc__)
    parser.add_argument(
        "runs",
        type=Path,
        nargs="*",
        default=[Path("outputs")],
        help="folders of runs, conditions or experiments (default: all that lies in outputs)",
    )
    parser.add_argument("--text", action="store_true", help="print the table, write nothing")
    parser.add_argument(
        "--together", type=Path, metavar="FOLDER", help="one report on all of it, written there"
    )
    arguments = parser.parse_args()
    try:
        refuse_namesake()
        problems = _report(arguments)
    except UserError as error:
        terminal.error(error)
        sys.exit(2)
    except OSError as error:
        terminal.error(of_system(error))
        sys.exit(2)
    for problem in problems:
        print(f"damaged and left out: {terminal.printable(problem)}", file=sys.stderr)
    sys.exit(DAMAGED if problems else 0)


def _report(arguments: argparse.Namespace) -> list[str]:
    from subliminal.report import text
    from subliminal.report.read import load

    sweeps = load(arguments.runs, together=arguments.together is not None)
    told: list[str] = []
    if not arguments.text:  # files first: a terminal that fails costs none of them
        from subliminal.report.escape import markdown_code
        from subliminal.report.html import write_html
        from subliminal.report.page import Report, write_page
        from subliminal.report.wandb_report import log_report

        reports = [Report(sweep) for sweep in sweeps]
        for report in reports:
            folder = arguments.together or report.sweep.directory / "report"
            report.write_tables(folder)
            command = f"python -m subliminal.report outputs/{report.experiment}"
            written = f"Written by {markdown_code(command)}."
            write_page([report], folder / "results.md", written)
            write_html(report, folder / "index.html")
            told.append(f"Files: {folder} (open {folder / 'index.html'})")
            drawn = {path.stem: path for path in sorted(folder.glob("figures/*.png"))}
            if line := log_report(report.sweep.directory, report.tables, drawn):
                told.append(line)
    for sweep in sweeps:
        text.show(sweep)
    for line in told:
        print(terminal.printable(line))
    return [problem for sweep in sweeps for problem in sweep.problems]


if __name__ == "__main__":
    main()
