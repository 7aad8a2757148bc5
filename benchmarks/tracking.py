"""What W&B online costs twenty seeds: its server healthy, slow or dead, against `tracker=none`.

`make bench-tracking` runs the
real client against a stand-in for W&B's server on this machine, and replaces the table between the
page's marks. The stand-in takes its share of the machine too.
"""

import argparse
import os
import platform
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import measure
from wandb_server import Server, serving

from subliminal.config import terminal

BEGIN, END = "<!-- tracking: begin -->", "<!-- tracking: end -->"
SERVERS = {"healthy": None, "slow: 1 s an answer": "slow", "dead": "dead"}


@contextmanager
def wandb(state: str | None, folder: Path) -> Iterator[Server]:
    """Let W&B's client, here and in commands, know a stand-in alone, in such a state."""
    with serving() as server:
        if state == "slow":
            server.fault("", "slow")
        if state == "dead":
            server.stop()
        before = dict(os.environ)
        os.environ.update(server.environment(folder))
        try:
            yield server
        finally:
            os.environ.clear()
            os.environ.update(before)


def seconds(words: list[str]) -> float:
    """Run the sweep; return its seconds."""
    return measure.train(*words).seconds


def main() -> None:
    """Run all, in turn, so that a busy moment of the machine meets them alike."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=2, help="of teacher and student")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    words = [f"seed=0-{arguments.seeds - 1}"]
    words += [f"{key}.epochs={arguments.epochs}" for key in ("teacher", "distill")]
    taken: dict[str, list[float]] = {"none": [], **{name: [] for name in SERVERS}}
    load = os.getloadavg()[0]
    for _ in range(arguments.rounds):
        taken["none"].append(seconds([*words, "tracker=none"]))
        for name, state in SERVERS.items():
            with tempfile.TemporaryDirectory() as folder, wandb(state, Path(folder)) as server:
                taken[name].append(seconds([*words, "tracker=wandb", "tracker.mode=online"]))
                told = sum(run.exitcode == 0 for run in server.runs.values())
                assert told == (0 if state == "dead" else arguments.seeds), (name, told)
        print({name: [round(value, 1) for value in values] for name, values in taken.items()})
    text = "\n".join([BEGIN, *table(taken, arguments, load), "", END])
    before, _, rest = arguments.page.read_text(encoding="utf-8").partition(BEGIN)
    arguments.page.write_text(before + text + rest.partition(END)[2], encoding="utf-8")


def table(
    taken: dict[str, list[float]], arguments: argparse.Namespace, load: float
) -> Iterator[str]:
    """Yield the lines of the page."""
    made_with = f"Python {platform.python_version()}, wandb {version('wandb')}"
    yield (
        f"{datetime.now(UTC):%d %B %Y}, {made_with}, {measure.cores()} cores, {arguments.seeds} "
        f"seeds of the reference setting with {arguments.epochs} epochs, {arguments.rounds} "
        f"rounds; load of the machine before: {load:.1f}."
    )
    yield ""
    yield "| W&B's server | seconds: median (each round) | against `tracker=none` |"
    yield "| --- | --- | --- |"
    base = statistics.median(taken["none"])
    for name, values in taken.items():
        each = ", ".join(f"{value:.1f}" for value in values)
        median = statistics.median(values)
        against = "" if name == "none" else f"{median / base - 1:+.1%}"
        title = "`tracker=none`" if name == "none" else name
        yield f"| {title} | {median:.1f} ({each}) | {against} |"


if __name__ == "__main__":
    terminal.settle()
    main()
