"""`python -m subliminal.judge`: judge one defence, or all entries of the leaderboard."""

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from subliminal.config import terminal
from subliminal.config.arguments import home_quoted
from subliminal.config.resources import CONF
from subliminal.config.seeds import parse
from subliminal.errors import UserError
from subliminal.judge import scorecard
from subliminal.judge.battery import NAME, Defence, Setting, battery
from subliminal.judge.cost import estimate, planned, show_plan
from subliminal.judge.entries import Entry, all_entries, check_track, choose
from subliminal.judge.evaluation import QUICK, SCREEN, check_seeds, judge
from subliminal.judge.scorecard import Scorecard
from subliminal.judge.trait_access import track_of
from subliminal.judge.trial import finished
from subliminal.report.escape import file_stem
from subliminal.sweep.console import Console

LONGEST = 90  # characters of a scorecard's name
LONG = 3600.0  # seconds of a plan that starts only after a yes


def run(arguments: argparse.Namespace) -> int:
    """Judge the defence of a command line; return the exit status: 1 if an entry failed, else 0.

    Raises:
        UserError: bad input, or undefended runs that failed.
    """
    arguments.overrides = [*map(home_quoted, arguments.overrides)]
    words = {key: _words(arguments.overrides, key) for key in ("threat", "seed")}
    others = [word for word in arguments.overrides if word not in words["threat"]]
    threats = [word.partition("=")[2] for word in words["threat"]] + arguments.threat
    entry, overrides = choose(others, arguments.entry)
    console = Console()
    if arguments.all:
        if entry or threats or arguments.quick or arguments.plan:
            raise UserError("--all judges all entries in all settings, and takes no other option")
        question = "This judges every entry that is not judged yet, which may take days. Start?"
        if not terminal.confirmed(question, yes=arguments.yes):
            return 0
        return int(bool(judge_all(all_entries(), overrides, arguments.config_dir, console)))
    if arguments.quick and not _words(overrides, "seed"):
        first = parse(OmegaConf.load(CONF / "seed" / "judge.yaml").spec)[0]
        overrides.append(f"seed={first}-{first + QUICK - 1}")
    defence = Defence.of(overrides, arguments.config_dir)
    settings = battery(defence, threats, search=arguments.search)
    if arguments.quick and not threats:
        settings = settings[:SCREEN]
    check_seeds(settings, quick=arguments.quick)
    track = track_of(settings, arguments.track)
    if entry:
        check_track(entry, track)
    full = arguments.full or (entry is not None and entry.landmark)
    tracker = defence.tracker()
    plan = planned(settings)
    console.say(show_plan(plan))
    if not full and len(settings) > SCREEN:
        console.say(
            f"After the first {SCREEN} the rest is tried only if one of them shows a leak that is "
            "blocked or halved; --full tries all."
        )
    is_long = estimate(plan) > LONG and not arguments.plan
    if is_long and not terminal.confirmed("This takes hours. Start?", yes=arguments.yes):
        return 0
    if arguments.plan:
        return 0
    card = judge(defence, settings, console, full=full, quick=arguments.quick, track=track)
    ways = [way for way in ("full", "quick", "search") if getattr(arguments, way)]
    named = entry.name if entry else defence.name
    name = "-".join([named, *threats, *ways, *words["seed"]])
    if len(name) > LONGEST:
        name = f"{name[:LONGEST]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    folder = _keep(card, file_stem(name), settings, tracker, console)  # files first
    scorecard.show(card, terminal.console(160))
    console.say(f"Files: {folder / 'scorecard.md'}, {scorecard.FILE}")
    return 0


def judge_all(
    entries: Sequence[Entry], own: Sequence[str], config_dir: Path | None, console: Console
) -> dict[str, str]:
    """Judge the entries without a final scorecard of the present battery and seeds, in order.

    An entry that cannot be judged is reported and skipped. `own` are the judge's overrides: seeds,
    folders, engine.

    Returns:
        The entries that could not be judged, and why.

    Raises:
        UserError: one of `own` is an override of a defence.
    """
    if others := Defence.of(own).overrides:
        raise UserError(f"{others[0]}: with --all the entries are the defences")
    failed: dict[str, str] = {}
    for number, entry in enumerate(entries, start=1):
        try:
            defence = Defence.of([*entry.overrides, *own], config_dir)
            settings = battery(defence)
            track = track_of(settings)
            check_track(entry, track)
            if _is_judged(_folder(entry.name, settings), defence, settings):
                continue
            console.say(f"Entry {number} of {len(entries)}: {entry.name}")
            card = judge(defence, settings, console, full=entry.landmark, track=track)
        except UserError as error:
            failed[entry.name] = str(error)
            console.say(f"{entry.name} is not judged: {error}")
            continue
        _keep(card, entry.name, settings, defence.tracker(), console)
        console.say(f"{entry.name}: {card.headline()}")
    return failed


def _folder(name: str, settings: Sequence[Setting]) -> Path:
    return Path(settings[0].undefended.cfg.outputs) / NAME / "scorecards" / name


def _is_judged(folder: Path, defence: Defence, settings: Sequence[Setting]) -> bool:
    """Tell whether a folder holds a final scorecard of this defence, these seeds and settings.

    A setting is the same if its conditions have the same hashes: the files behind its names may
    have changed. A card without hashes is of an older version, and is made again.
    """
    card = scorecard.read(folder / scorecard.FILE)
    if card is None:
        return False
    hashes = card.get("conditions", {})
    today = {setting.name: setting.hashes for setting in settings}
    return (
        bool(card["final"])
        and tuple(card["defence"]) == defence.overrides
        and tuple(card["seeds"]) == settings[0].undefended.seeds
        and today.keys() <= {*hashes, *card["left_out"]}
        and all(today.get(name) == of for name, of in hashes.items())
    )


def _keep(
    card: Scorecard, name: str, settings: Sequence[Setting], tracker: Any, console: Console
) -> Path:
    """Write a scorecard and log it to W&B; return its folder."""
    folder = scorecard.write(card, _folder(name, settings))
    jobs = [job for setting in settings for job in setting.jobs.values()]
    runs = dict.fromkeys(run for job in jobs for run in finished(job))
    if line := scorecard.log_scorecard(card, name, folder.parents[1], tracker, runs):
        console.say(line)
    return folder


def _words(overrides: Sequence[str], key: str) -> list[str]:
    return [word for word in overrides if word.startswith(f"{key}=")]
