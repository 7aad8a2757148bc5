"""`python -m subliminal runs`: list the runs under outputs/, show one, compare two.

A run is named by its folder, or by experiment/condition/seed, such as `paper/liminal/7`: whole
names, or beginnings that only one run has.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from rich.live import Live
from rich.table import Column, Table

from subliminal import metrics
from subliminal.commands.keeping import annotate, remove
from subliminal.config import command, terminal
from subliminal.config.canonical import Plain, differences, flatten
from subliminal.config.resources import user_path
from subliminal.errors import UserError, there_is
from subliminal.report.sparkline import sparkline
from subliminal.report.varied import flatten as settings
from subliminal.store.inventory import conditions, describe, find, overview

WIDTH = 160  # columns, when not on a terminal
CURVE = 40  # characters
SECONDS = 2.0  # between two looks of --watch
USUAL = ",".join(("date", metrics.TRAIT_ACCURACY, metrics.ALIGNMENT, metrics.DISTILL_LOSS))


def main() -> int:
    """Run the command line; return its exit status, 2 for bad input."""
    parser = command.Parser(
        prog="subliminal runs",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    common = command.Parser(add_help=False)
    common.add_argument(
        "--outputs", type=user_path, default=Path("outputs"), help="folder of the experiments"
    )
    commands = parser.add_subparsers()
    for action, run, about, names in (
        ("list", _list, "list experiments and conditions (default)", []),
        ("show", _show, "print one run", ["run"]),
        ("diff", _diff, "compare two runs", ["a", "b"]),
        ("note", annotate, "set the note of a run, or of a condition's folder", ["run", "words"]),
        ("tag", annotate, "set the tags of a run, or of a condition's folder", ["run", "words"]),
        ("archive", remove, "move runs out of lists and reports, to .archive", ["run"]),
        ("delete", remove, "delete runs", ["run"]),
    ):
        one = commands.add_parser(action, parents=[common], help=about)
        one.set_defaults(run_command=run, action=action)
        for name in names:
            one.add_argument(name, nargs="*" if name == "words" else None)
        if run is remove:
            one.add_argument("--yes", action="store_true", help="do not ask")
        if run is _list:
            one.add_argument("--where", action="append", default=[], metavar="KEY=VALUE")
            one.add_argument("--sort", metavar="NAME", help="a key, or a result: distill/loss")
            one.add_argument(
                "--columns", default=USUAL, metavar="NAME,NAME", help=f"usual: {USUAL}"
            )
            one.add_argument("--watch", action="store_true", help="show what trains, until it ends")
    words = sys.argv[1:]
    if not words or (words[0].startswith("-") and words[0] not in ("-h", "--help")):
        words = ["list", *words]
    arguments = parser.parse_args(words)
    return command.status(lambda: arguments.run_command(arguments), "Stopped.")


def _list(arguments: argparse.Namespace) -> int:
    """Print the overview; return the exit status: 1 if something could not be read."""
    if arguments.watch:
        return _watch(arguments)
    rows, damaged = _chosen(arguments)
    table = _overview_table(rows, arguments)
    terminal.console(WIDTH).print(table if rows else f"{arguments.outputs}: no run yet")
    lines = [f"copy, left out: {folder}" for folder in conditions(arguments.outputs, copies=True)]
    for line in (*lines, *(f"damaged: {one}" for one in damaged)):
        print(terminal.printable(line), file=sys.stderr)
    return 1 if damaged else 0


def _chosen(arguments: argparse.Namespace) -> tuple[list[Plain], list[str]]:
    """Return the overview's rows that fit --where, in the order of --sort, and damaged files.

    Raises:
        UserError: none of the rows has a setting or result of a name that the user gives.
    """
    rows, damaged = overview(arguments.outputs)
    for row in rows:
        row["config"] = settings(row["config"])
    where = [word.partition("=") for word in arguments.where]
    sort = [arguments.sort] if arguments.sort else []
    there = {key for row in rows for part in (row, row["config"], *row["results"]) for key in part}
    for name in (*(key for key, *_ in where), *sort, *arguments.columns.split(",")):
        if rows and not {name, name.replace("/", ".")} & {*metrics.NAMES, *there}:
            raise UserError(f"{name}: no setting or result; {there_is(name, sorted(there))}")
    for name, _, wanted in where:
        rows = [row for row in rows if _fits(_value(row, name), wanted)]
    for name in sort:
        values = [_value(row, name) for row in rows]
        means = [fmean(value) if isinstance(value, list) else value for value in values]
        order = [(mean is None, isinstance(mean, str), mean) for mean in means]
        rows = [rows[k] for k in sorted(range(len(rows)), key=order.__getitem__)]
    return rows, damaged


def _value(row: Plain, name: str) -> Any:
    """Return a setting of a condition, such as `optim.lr`, or its seeds' results by metric."""
    results = [one[name] for one in row["results"] if isinstance(one.get(name), int | float)]
    if name in metrics.NAMES:  # `distill/loss` is also a group of options
        return results or None
    return row.get(name) or results or row["config"].get(name.replace("/", "."))


def _fits(value: Any, wanted: str) -> bool:
    try:
        return float(value) == float(wanted)
    except (TypeError, ValueError):
        return json.dumps(value).strip('"') == wanted


def _overview_table(rows: list[Plain], arguments: argparse.Namespace) -> Table:
    names = [*arguments.columns.split(","), *["notes"] * any(row["notes"] for row in rows)]
    table = _table("experiment", "condition")
    for name in ("seeds", *names):
        title, no_wrap = f"{name} ± SD" if "/" in name else name, name != "notes"
        table.add_column(title, no_wrap=no_wrap, overflow="fold")
    for row in rows:
        others = [f"{n} {state}" for state, n in row["states"].items() if state != "finished"]
        seeds = ", ".join([f"{row['done']}/{row['seeds']}", *others])
        cells = [_column(_value(row, name)) for name in names]
        table.add_row(row["experiment"], row["condition"], seeds, *cells)
    return table


def _column(value: Any) -> str:
    """Return a cell; of a result mean and SD over seeds: intervals are the report's matter."""
    if not isinstance(value, list):
        return "" if value is None else _text(value)
    spread = f" ± {stdev(value):.2g}" if len(value) > 1 else ""
    return f"{fmean(value):.4g}{spread}"


def _watch(arguments: argparse.Namespace) -> int:
    """Show the conditions that train, every two seconds, until none does."""
    console = terminal.console(WIDTH)
    with Live(console=console, auto_refresh=False) as live:
        while rows := [row for row in _chosen(arguments)[0] if row["states"].get("running")]:
            live.update(_overview_table(rows, arguments), refresh=True)
            time.sleep(SECONDS)
    console.print("Nothing trains.")
    return 0


def _show(arguments: argparse.Namespace) -> int:
    run = find(arguments.outputs, arguments.run)
    about = describe(run)
    console = terminal.console(WIDTH)
    console.print(f"{run}: {about['state']}", soft_wrap=True)
    summary = dict(about["summary"])
    parts = {
        "result": summary.pop("results", {}),
        "environment": summary.pop("environment", {}),
        "note": {key: value for key, value in about["notes"].items() if value},
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
    found = {"config": differences(ours["config"], theirs["config"])}
    for title, key in (("result", "results"), ("environment", "environment")):
        found[title] = differences(*(of["summary"].get(key, {}) for of in (ours, theirs)))
    console = terminal.console(WIDTH)
    for title, rows in found.items():
        table = _table(title, "A", "B", "B − A")
        for key, (left, right) in rows.items():
            numbers = all(type(value) in (int, float) for value in (left, right))
            minus = f"{right - left:+.4g}" if numbers else ""
            table.add_row(key, _text(left), _text(right), minus)
        console.print(table if rows else f"{title}: no difference")
    console.print(f"A: {a}\nB: {b}", soft_wrap=True)
    return 0


def _table(*columns: str) -> Table:
    return Table(*(Column(column, overflow="fold") for column in columns))


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_text, value)) + "]"
    return str(value)
