"""`python -m subliminal runs`: list the runs under outputs/, show one, compare two.

A run is named by its folder, or by experiment/condition/seed, such as `paper/liminal/7`: whole
names, or beginnings that only one run has.
"""

import argparse
import json
import sys
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from rich.table import Table

from subliminal import metrics
from subliminal.config import command, terminal
from subliminal.config.canonical import Plain, flatten
from subliminal.report.sparkline import sparkline
from subliminal.store.inventory import copies, describe, find, overview

WIDTH = 160  # columns, when not on a terminal
CURVE = 40  # characters


def main() -> int:
    """Run the command line; return its exit status, 2 for bad input."""
    terminal.settle()
    parser = argparse.ArgumentParser(
        prog="python -m subliminal runs",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--outputs", type=Path, default=Path("outputs"), help="folder of the experiments"
    )
    common.add_argument("--json", action="store_true", help="print JSON")
    commands = parser.add_subparsers()
    for run, about, names in (
        (_list, "list experiments and conditions (default)", []),
        (_show, "print one run", ["run"]),
        (_diff, "compare two runs", ["a", "b"]),
    ):
        one = commands.add_parser(run.__name__[1:], parents=[common], help=about)
        one.set_defaults(run_command=run)
        for name in names:
            one.add_argument(name)
    words = sys.argv[1:]
    if not words or (words[0].startswith("-") and words[0] not in ("-h", "--help")):
        words = ["list", *words]
    arguments = parser.parse_args(words)
    return command.status(lambda: arguments.run_command(arguments), "Stopped.")


def _list(arguments: argparse.Namespace) -> int:
    """Print the overview; return the exit status: 1 if something could not be read."""
    rows, damaged = overview(arguments.outputs)
    if arguments.json:
        print(
            json.dumps(
                [{key: _mean(value) for key, value in row.items()} for row in rows], indent=2
            )
        )
    else:
        table = _table("experiment", "condition")
        for title in ("seeds", "date"):
            table.add_column(title, no_wrap=True)
        for title in ("trait accuracy", "alignment", "distill loss ×10⁴"):
            table.add_column(f"{title} ± SD", justify="right", no_wrap=True)
        for row in rows:
            others = [f"{n} {state}" for state, n in row["states"].items() if state != "finished"]
            table.add_row(
                row["experiment"],
                row["condition"],
                ", ".join([f"{row['done']}/{row['seeds']}", *others]),
                row["date"],
                _with_sd(row[metrics.TRAIT_ACCURACY], 3),
                _with_sd(row[metrics.ALIGNMENT], 4),
                _with_sd([1e4 * value for value in row[metrics.DISTILL_LOSS]], 2),
            )
        terminal.console(WIDTH).print(table if rows else f"{arguments.outputs}: no run yet")
    for folder, original in copies(arguments.outputs):
        line = terminal.printable(f"{folder} (of {original.name})")
        print(f"copy, left out: {line}", file=sys.stderr)
    for line in damaged:
        print(f"damaged: {terminal.printable(line)}", file=sys.stderr)
    return 1 if damaged else 0


def _mean(value: Any) -> Any:
    """Return the mean over seeds; what is not a list stays as it is."""
    if not isinstance(value, list):
        return value
    return fmean(value) if value else None


def _with_sd(values: list[float], digits: int) -> str:
    """Return mean and standard deviation over seeds; intervals are the report's matter."""
    spread = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{fmean(values):.{digits}f}{spread}" if values else ""


def _show(arguments: argparse.Namespace) -> int:
    run = find(arguments.outputs, arguments.run)
    about = describe(run)
    if arguments.json:
        print(json.dumps(about, indent=2))
        return 0
    console = terminal.console(WIDTH)
    console.print(f"{run}: {about['state']}", soft_wrap=True)
    summary = dict(about["summary"])
    parts = {
        "result": summary.pop("results", {}),
        "environment": summary.pop("environment", {}),
        "fact": summary,
        "config": about["config"],
    }
    for title, values in parts.items():
        if values:
            table = _table(title, "value")
            for key, value in flatten(values).items():
                table.add_row(key, _text(value))
            console.print(table)
    table = _table("curve over the steps", "", "first", "last", "min", "max")
    for name, values in sorted(about["curves"].items()):
        if values:
            numbers = (values[0], values[-1], min(values), max(values))
            table.add_row(name, sparkline(values, width=CURVE), *map(_text, numbers))
    console.print(table)
    return 0


def _diff(arguments: argparse.Namespace) -> int:
    a, b = (find(arguments.outputs, name) for name in (arguments.a, arguments.b))
    ours, theirs = describe(a), describe(b)
    differences = {
        "config": _differences(ours["config"], theirs["config"]),
        **{
            title: _differences(ours["summary"].get(key, {}), theirs["summary"].get(key, {}))
            for title, key in (("result", "results"), ("environment", "environment"))
        },
    }
    if arguments.json:
        print(json.dumps({"a": str(a), "b": str(b), **differences}, indent=2))
        return 0
    console = terminal.console(WIDTH)
    for title, rows in differences.items():
        table = _table(title, "A", "B", "B − A")
        for key, (left, right) in rows.items():
            numbers = all(type(value) in (int, float) for value in (left, right))
            minus = f"{right - left:+.4g}" if numbers else ""
            table.add_row(key, _text(left), _text(right), minus)
        console.print(table if rows else f"{title}: no difference")
    console.print(f"A: {a}\nB: {b}", soft_wrap=True)
    return 0


def _differences(left: Plain, right: Plain) -> dict[str, list[Any]]:
    """Return both values of each dotted key whose values differ."""
    a, b = flatten(left), flatten(right)
    return {key: [a.get(key), b.get(key)] for key in a | b if a.get(key) != b.get(key)}


def _table(*columns: str) -> Table:
    table = Table()
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_text, value)) + "]"
    return str(value)
