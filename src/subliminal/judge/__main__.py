"""`python -m subliminal.judge [override …]`: whether a defence stops subliminal learning.

Any overrides of `subliminal.train` are a defence. It is tried in the settings of `conf/threat`;
undefended students, controls and teachers are trained once and shared by all defences. What is
finished is kept: the same command resumes an interrupted battery.
"""

import argparse
import sys
from pathlib import Path

from subliminal import terminal
from subliminal.config import command
from subliminal.config.seeds import parse
from subliminal.errors import UserError
from subliminal.sweep import signals

LONGEST = 90  # characters of a scorecard's name


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
    parser.add_argument("--search", action="store_true", help="let the attacker search his menu")
    parser.add_argument("--track", help="refuse a defence that takes more: blind | aware")
    parser.add_argument("--plan", action="store_true", help="print the plan, train nothing")
    parser.add_argument("--config-dir", type=Path, help="a folder of configs of your own")
    arguments, unknown = parser.parse_known_intermixed_args(argv)
    return command.status(lambda: _judge(arguments, unknown))


@signals.stoppable()
def _judge(arguments: argparse.Namespace, unknown: list[str]) -> int:
    from subliminal.judge import entries
    from subliminal.judge.battery import NAME, Defence, battery, tracker
    from subliminal.judge.board import judge_all
    from subliminal.judge.cost import finished, planned, show_plan
    from subliminal.judge.court import QUICK, SCREEN, check_seeds, judge, track_of
    from subliminal.judge.scorecard import show, write
    from subliminal.judge.tracked import log_scorecard
    from subliminal.sweep.console import Console

    if unknown:
        raise UserError(f"{unknown[0]}: no such option; see --help")
    threats = [word.partition("=")[2] for word in arguments.overrides if _threat(word)]
    threats += arguments.threat
    words = [word for word in arguments.overrides if not _threat(word)]
    entry, overrides = entries.taken(words, arguments.entry)
    if arguments.all:
        if entry or threats or arguments.quick or arguments.plan:
            raise UserError("--all judges all entries in all settings, and takes no other option")
        failed = judge_all(entries.all_entries(), overrides, arguments.config_dir, Console())
        return 1 if failed else 0
    if arguments.quick and not any(map(_seed, overrides)):
        overrides.append(f"seed={_first_seeds(QUICK)}")
    defence = Defence.of(overrides, arguments.config_dir)
    settings = battery(defence, threats, search=arguments.search)
    if arguments.quick and not threats:
        settings = settings[:SCREEN]
    check_seeds(settings, quick=arguments.quick)
    track = track_of(settings, arguments.track)
    if entry:
        entries.check_track(entry, track)
    full = arguments.full or (entry is not None and entry.landmark)
    told = tracker(defence)
    console, out = Console(), terminal.console(160)
    console.say(show_plan(planned(settings)))
    if not full and len(settings) > SCREEN:
        console.say(
            f"After the first {SCREEN} the rest is tried only if one of them shows a leak that is "
            "blocked or halved; --full tries all."
        )
    if arguments.plan:
        return 0
    card = judge(defence, settings, console, full=full, quick=arguments.quick, track=track)
    show(card, out)
    experiment = Path(str(settings[0].undefended.outputs)) / NAME
    ways = [way for way in ("full", "quick", "search") if getattr(arguments, way)]
    named = entry.name if entry else defence.name
    name = _name([named, *threats, *ways, *filter(_seed, arguments.overrides)])
    folder = write(card, experiment / "scorecards" / name)
    if line := log_scorecard(card, name, experiment, told, finished(settings)):
        console.say(line)
    console.say(f"Files: {folder / 'scorecard.md'}, scorecard.json")
    return 0


def _threat(word: str) -> bool:
    return word.startswith("threat=")


def _seed(word: str) -> bool:
    return word.startswith("seed=")


def _name(parts: list[str]) -> str:
    """Return a scorecard's name: one of fewer settings or other seeds replaces no other."""
    import hashlib

    from subliminal.report.escape import file_stem

    text = "-".join(parts)
    digits = hashlib.sha256(text.encode()).hexdigest()[:8]
    return file_stem(text if len(text) <= LONGEST else f"{text[:LONGEST]}-{digits}")


def _first_seeds(number: int) -> str:
    from omegaconf import OmegaConf

    from subliminal.config.resources import CONF

    first = parse(OmegaConf.load(CONF / "seed" / "judge.yaml").spec)[0]
    return f"{first}-{first + number - 1}"


if __name__ == "__main__":
    sys.exit(main())
