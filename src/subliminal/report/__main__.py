"""`python -m subliminal.report outputs/reference`: tables, figures and a page for each sweep."""

import argparse
import sys
from pathlib import Path

from subliminal import store
from subliminal.config import command, terminal
from subliminal.config.resources import user_path
from subliminal.errors import UserError

DAMAGED = 3  # exit status: some runs were damaged and left out


def main() -> None:
    """Print the table of each sweep; write tables, figures and pages to its folder `report/`."""
    terminal.settle()
    parser = command.Parser(prog="subliminal report", description=__doc__)
    what = "folders of runs, conditions or experiments (default: outputs)"
    parser.add_argument("runs", type=user_path, nargs="*", default=[Path("outputs")], help=what)
    parser.add_argument("--text", action="store_true", help="print the table, write nothing")
    what = "one report on all of it, written to FOLDER"
    parser.add_argument("--together", type=user_path, metavar="FOLDER", help=what)
    what = "compare with the condition of this value; may be repeated"
    parser.add_argument("--baseline", metavar="KEY=VALUE", action="append", default=[], help=what)
    what = "columns of the LaTeX tables, such as 'n,trait accuracy' (default: all)"
    parser.add_argument("--columns", metavar="NAME,NAME", default="", help=what)
    arguments = parser.parse_args()
    stopped = "Stopped; the same command writes the report again."
    sys.exit(command.status(lambda: _report(arguments), stopped))


def _report(arguments: argparse.Namespace) -> int:
    from subliminal.report import text
    from subliminal.report.read import load

    together: Path | None = arguments.together
    # A folder with runs was meant as one to read.
    if together and (held := next(store.condition_dirs(together), None)):
        raise UserError(
            f"--together {together}: writes there, and it holds runs ({held.name}); name a new "
            "folder, and after it the folders to compare"
        )
    sweeps = load(arguments.runs, together=together is not None, baseline=arguments.baseline)
    columns = [*filter(None, arguments.columns.split(","))]
    lines: list[str] = []
    if not arguments.text:  # files first, in case the terminal fails
        from subliminal.report.escape import markdown_code
        from subliminal.report.html import write_html
        from subliminal.report.page import Report, write_page
        from subliminal.report.wandb_report import log_report
        from subliminal.store.disk import written_whole

        reports = [Report(sweep) for sweep in sweeps]
        for report in reports:
            folder = together or report.sweep.directory / "report"
            words = f"python -m subliminal.report outputs/{report.sweep.name}"
            written = f"Written by {markdown_code(words)}."
            with written_whole(folder) as draft:
                report.write_tables(draft, columns)
                write_page([report], draft / "results.md", written)
                write_html(report, draft / "index.html", folder)
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
