"""`python -m subliminal.judge [override …]`: whether a defence stops subliminal learning.

Any overrides of `subliminal.train` are a defence. It is tried in the settings of `conf/threat`;
undefended students, controls and teachers are trained once and shared by all defences. What is
finished is kept: the same command resumes an interrupted battery.
"""

import argparse
import sys
from pathlib import Path

from rich.console import Console as RichConsole

from subliminal.config.seeds import parse
from subliminal.errors import RunsFailed, UserError


def main(argv: list[str] | None = None) -> int:
    """Run the command line; return the exit status: 0 judged, 1 runs failed, 2 bad input."""
    parser = argparse.ArgumentParser(
        prog="python -m subliminal.judge",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("overrides", nargs="*", help="the defence, e.g. mitigation=liminal")
    parser.add_argument("--entry", help="an entry of defences/, or a file; also entry=NAME")
    parser.add_argument("--all", action="store_true", help="all entries that are not judged yet")
    parser.add_argument("--threat", action="append", default=[], help="try this setting alone")
    parser.add_argument("--full", action="store_true", help="all settings, whatever the first show")
    parser.add_argument("--quick", action="store_true", help="a first look that decides nothing")
    parser.add_argument("--config-dir", type=Path, help="a folder of configs of your own")
    arguments, unknown = parser.parse_known_intermixed_args(argv)
    try:
        if unknown:
            raise UserError(f"{unknown[0]}: no such option; see --help")
        return _judge(arguments)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1 if isinstance(error, RunsFailed) else 2
    except KeyboardInterrupt:
        print("Stopped. What was finished is kept; the same command resumes.", file=sys.stderr)
        return 130


def _judge(arguments: argparse.Namespace) -> int:
    from subliminal.judge import entries
    from subliminal.judge.battery import NAME, Defence, battery
    from subliminal.judge.board import judge_all
    from subliminal.judge.court import QUICK, SCREEN, judge, runs_of
    from subliminal.judge.scorecard import show, write
    from subliminal.sweep.console import Console

    entry, overrides = entries.taken(arguments.overrides, arguments.entry)
    if arguments.all:
        if entry or arguments.threat or arguments.quick:
            raise UserError("--all judges all entries in all settings, and takes no other option")
        failed = judge_all(entries.all_entries(), overrides, arguments.config_dir, Console())
        return 1 if failed else 0
    if arguments.quick and not any(word.startswith("seed=") for word in overrides):
        overrides.append(f"seed={_first_seeds(QUICK)}")
    defence = Defence.of(overrides, arguments.config_dir)
    settings = battery(defence, arguments.threat)
    if entry:
        entries.check_track(entry, settings)
    settings = settings[:SCREEN] if arguments.quick and not arguments.threat else settings
    console, out = (
        Console(),
        RichConsole(highlight=False, width=None if sys.stdout.isatty() else 160),
    )
    states = [state for runs in runs_of(settings).values() for state in runs]
    done = states.count("finished")
    console.say(
        f"{len(settings)} settings, {len(states)} runs: {done} finished, the rest to train."
    )
    full = arguments.full or (entry is not None and entry.landmark)
    card = judge(defence, settings, console, full=full, quick=arguments.quick)
    show(card, out)
    outputs = Path(str(settings[0].undefended.outputs))
    named = entry.name if entry else defence.name
    folder = write(card, outputs / NAME / "scorecards" / named)
    console.say(f"Files: {folder}")
    return 0


def _first_seeds(number: int) -> str:
    from omegaconf import OmegaConf

    from subliminal.config.resources import CONF

    first = parse(OmegaConf.load(CONF / "seed" / "judge.yaml").spec)[0]
    return f"{first}-{first + number - 1}"


if __name__ == "__main__":
    sys.exit(main())
