"""`python -m subliminal runs`: list what lies under outputs/, show one run, compare two.

A run is named by its folder, or by a unique part of experiment/condition/seed, such as
`paper/liminal/7`.
"""

import argparse
import json
import sys
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from rich.table import Table

from subliminal import metrics, terminal
from subliminal.config import command
from subliminal.report.sparkline import sparkline
from subliminal.store.inventory import Plain, copies, describe, find, overview
from subliminal.terminal import console

WIDTH = 160  # columns, when not on a terminal
CURVE = 40  # characters


def main() -> None:
    """Run the command line; bad input ends with one line and exit status 2."""
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
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("list", parents=[common], help="list experiments and conditions (default)")
    show = commands.add_parser("show", parents=[common], help="print one run")
    show.add_argument("run")
    diff = commands.add_parser("diff", parents=[common], help="compare two runs")
    diff.add_argument("a")
    diff.add_argument("b")
    words = sys.argv[1:]
    if not words or (words[0].startswith("-") and words[0] not in ("-h", "--help")):
        words = ["list", *words]
    arguments = parser.parse_args(words)
    sys.exit(command.status(lambda: _tell(arguments), "Stopped."))


def _tell(arguments: argparse.Namespace) -> int:
    if arguments.command == "list":
        return _list(arguments.outputs, as_json=arguments.json)
    if arguments.command == "show":
        _show(find(arguments.outputs, arguments.run), as_json=arguments.json)
    else:
        a, b = (find(arguments.outputs, name) for name in (arguments.a, arguments.b))
        _diff(a, b, as_json=arguments.json)
    return 0


def _list(outputs: Path, *, as_json: bool) -> int:
    """Print the overview; return the exit status: 1 where something could not be read."""
    rows, damaged = overview(outputs)
    if as_json:
        print(json.dumps([_with_means(row) for row in rows], indent=2))
    else:
        table = _table("experiment", "condition")
        table.add_column("seeds", no_wrap=True)
        table.add_column("date", no_wrap=True)
        for title in ("trait accuracy", "alignment", "distill loss ×10⁴"):
            table.add_column(f"{title} ± SD", justify="right", no_wrap=True)
        for row in rows:
            others = [f"{n} {state}" for state, n in row["states"].items() if state != "finished"]
            seeds = ", ".join([f"{row['done']}/{row['seeds']}", *others])
            loss = [1e4 * value for value in row[metrics.DISTILL_LOSS]]
            table.add_row(
                row["experiment"],
                row["condition"],
                seeds,
                row["date"],
                _mean(row[metrics.TRAIT_ACCURACY], 3),
                _mean(row[metrics.ALIGNMENT], 4),
                _mean(loss, 2),
            )
        console(WIDTH).print(table if rows else f"{outputs}: no run yet")
    for folder, original in copies(outputs):
        line = terminal.printable(f"{folder} (of {original.name})")
        print(f"copy, left out: {line}", file=sys.stderr)
    for line in damaged:
        print(f"damaged: {terminal.printable(line)}", file=sys.stderr)
    return 1 if damaged else 0


def _with_means(row: Plain) -> Plain:
    return {key: _plain_mean(value) for key, value in row.items()}


def _plain_mean(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return fmean(value) if value else None


def _mean(values: list[float], digits: int) -> str:
    """Write the mean and standard deviation over seeds; no resampling, for it is a mere list."""
    if not values:
        return ""
    spread = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{fmean(values):.{digits}f}{spread}"


def _show(run: Path, *, as_json: bool) -> None:
    about = describe(run)
    if as_json:
        print(json.dumps(about, indent=2))
        return
    shown = console(WIDTH)
    summary = about["summary"]
    shown.print(f"{run}: {about['state']}", soft_wrap=True)
    if summary:
        facts = {k: v for k, v in summary.items() if k not in ("environment", "results")}
        shown.print(_pairs("result", flatten(summary["results"])))
        shown.print(_pairs("fact", flatten(facts)))
        shown.print(_pairs("environment", flatten(summary["environment"])))
    shown.print(_pairs("config", flatten(about["config"])))
    table = _table("curve over the steps", "", "first", "last", "min", "max")
    for name, values in sorted(about["curves"].items()):
        if values:
            numbers = (values[0], values[-1], min(values), max(values))
            table.add_row(name, sparkline(values, width=CURVE), *(f"{v:.4g}" for v in numbers))
    shown.print(table)


def _diff(a: Path, b: Path, *, as_json: bool) -> None:
    ours, theirs = describe(a), describe(b)
    differences = {
        what: _differences(flatten(left), flatten(right))
        for what, left, right in (
            ("config", ours["config"], theirs["config"]),
            ("result", ours["summary"].get("results", {}), theirs["summary"].get("results", {})),
            (
                "environment",
                ours["summary"].get("environment", {}),
                theirs["summary"].get("environment", {}),
            ),
        )
    }
    if as_json:
        print(json.dumps({"a": str(a), "b": str(b), **differences}, indent=2))
        return
    shown = console(WIDTH)
    for what, rows in differences.items():
        table = _table(what, "A", "B", "B − A")
        for key, (left, right) in rows.items():
            table.add_row(key, _text(left), _text(right), _minus(left, right))
        shown.print(table if rows else f"{what}: no difference")
    shown.print(f"A: {a}\nB: {b}", soft_wrap=True)


def _differences(a: Plain, b: Plain) -> dict[str, list[Any]]:
    keys = [*a, *(key for key in b if key not in a)]
    return {key: [a.get(key), b.get(key)] for key in keys if a.get(key) != b.get(key)}


def _minus(a: Any, b: Any) -> str:
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (a, b))
    return f"{b - a:+.4g}" if numbers else ""


def flatten(tree: Any, prefix: str = "") -> Plain:
    """Return the leaves of nested mappings by dotted key; lists and empty mappings are leaves."""
    if not isinstance(tree, dict) or not tree:
        return {prefix: tree} if prefix else {}
    flat: Plain = {}
    for key, value in tree.items():
        flat |= flatten(value, f"{prefix}.{key}" if prefix else str(key))
    return flat


def _table(*columns: str) -> Table:
    table = Table()
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _pairs(title: str, values: Plain) -> Table:
    table = _table(title, "value")
    for key, value in values.items():
        table.add_row(key, _text(value))
    return table


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_text, value)) + "]"
    return str(value)


if __name__ == "__main__":
    main()
