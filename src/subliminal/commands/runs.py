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
from subliminal.store.inventory import copies, describe, find, overview

WIDTH = 160  # columns, when not on a terminal
CURVE = 40  # characters
SECONDS = 2.0  # between two looks of --watch
# Title, metric, factor and digits of the usual columns.
_USUAL = (
    ("trait accuracy", metrics.TRAIT_ACCURACY, 1, 3),
    ("alignment", metrics.ALIGNMENT, 1, 4),
    ("distill loss ×10⁴", metrics.DISTILL_LOSS, 1e4, 2),
)


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
    common.add_argument("--json", action="store_true", help="print JSON")
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
            one.add_argument("--columns", metavar="NAME,NAME", help="in place of the usual results")
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
    if arguments.json:
        found = [{k: _mean(v) for k, v in row.items() if k != "results"} for row in rows]
        print(json.dumps(found, indent=2))
    else:
        table = _overview_table(rows, arguments)
        terminal.console(WIDTH).print(table if rows else f"{arguments.outputs}: no run yet")
    for folder, original in copies(arguments.outputs):
        line = terminal.printable(f"{folder} (of {original.name})")
        print(f"copy, left out: {line}", file=sys.stderr)
    for line in damaged:
        print(f"damaged: {terminal.printable(line)}", file=sys.stderr)
    return 1 if damaged else 0


def _chosen(arguments: argparse.Namespace) -> tuple[list[Plain], list[str]]:
    """Return the overview's rows that fit --where, in the order of --sort, and damaged files."""
    rows, damaged = overview(arguments.outputs)
    for row in rows:
        row["config"] = settings(row["config"])
    for word in arguments.where:
        key, _, wanted = word.partition("=")
        rows = [row for row in rows if _fits(_value(row, key, rows), wanted)]
    if name := arguments.sort:
        found = [(_mean(_value(row, name, rows)), row) for row in rows]
        found.sort(key=lambda one: (one[0] is None, isinstance(one[0], str), one[0]))
        rows = [row for _, row in found]
    return rows, damaged


def _value(row: Plain, name: str, rows: list[Plain]) -> Any:
    """Return a setting of a condition, such as `optim.lr`, or its seeds' results by metric.

    Raises:
        UserError: none of the rows has one of this name.
    """
    key = name.replace("/", ".")
    for found in (row, {name: row["config"].get(key)}):
        if found.get(name) is not None:
            return found[name]
    there = {key for one in rows for part in (one["config"], *one["results"]) for key in part}
    if not {name, key} & there:
        raise UserError(f"{name}: no setting or result; {there_is(name, sorted(there))}")
    return [one[name] for one in row["results"] if isinstance(one.get(name), int | float)] or None


def _fits(value: Any, wanted: str) -> bool:
    try:
        return float(value) == float(wanted)
    except (TypeError, ValueError):
        return json.dumps(value).strip('"') == wanted


def _overview_table(rows: list[Plain], arguments: argparse.Namespace) -> Table:
    own = arguments.columns.split(",") if arguments.columns else []
    notes = ["notes"] if any(row["notes"] for row in rows) else []
    titles = own or ("date", *(f"{title} ± SD" for title, *_ in _USUAL))
    table = _table("experiment", "condition")
    for title in ("seeds", *titles, *notes):
        justify: Any = "right" if "±" in title else "left"
        table.add_column(title, justify=justify, no_wrap=title != "notes", overflow="fold")
    for row in rows:
        others = [f"{n} {state}" for state, n in row["states"].items() if state != "finished"]
        cells = [_column(_value(row, name, rows)) for name in own] or [
            row["date"],
            *(_with_sd([f * v for v in row[name]], digits) for _, name, f, digits in _USUAL),
        ]
        cells += [row[name] for name in notes]
        seeds = ", ".join([f"{row['done']}/{row['seeds']}", *others])
        table.add_row(row["experiment"], row["condition"], seeds, *cells)
    return table


def _column(value: Any) -> str:
    if isinstance(value, list):
        return _with_sd(value, 4)
    return "" if value is None else _text(value)


def _watch(arguments: argparse.Namespace) -> int:
    """Show the conditions that train, every two seconds, until none does."""
    console = terminal.console(WIDTH)
    with Live(console=console, auto_refresh=False) as live:
        while rows := [row for row in _chosen(arguments)[0] if row["states"].get("running")]:
            live.update(_overview_table(rows, arguments), refresh=True)
            time.sleep(SECONDS)
    console.print("Nothing trains.")
    return 0


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
    if arguments.json:
        print(json.dumps({"a": str(a), "b": str(b), **found}, indent=2))
        return 0
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
