"""`python -m subliminal.judge`: judge one defence, or all entries of the leaderboard."""

import argparse
import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from subliminal.config import terminal
from subliminal.config.arguments import home_quoted
from subliminal.config.resources import CONF
from subliminal.config.seeds import parse
from subliminal.errors import UserError
from subliminal.judge import dial, scorecard, show
from subliminal.judge.battery import NAME, Defence, Setting, battery
from subliminal.judge.cost import SettingPlan, as_text, each, estimate, minutes, planned, show_plan
from subliminal.judge.dial import turned
from subliminal.judge.entries import Entry, all_entries, check_track, choose
from subliminal.judge.evaluation import QUICK, SCREEN, SCREENED, check_seeds, judge, narrowed
from subliminal.judge.measure import finished
from subliminal.judge.rooms import Rooms, rooms_for
from subliminal.judge.scorecard import Scorecard
from subliminal.judge.trial import blinded, check_access, declared, track_of
from subliminal.report.escape import file_stem
from subliminal.sweep.console import Console

LONGEST = 90  # characters of a scorecard's name
LONG = 3600.0  # seconds of a plan that starts only after a yes


def run(arguments: argparse.Namespace) -> int:
    """Judge the defence of a command line; return the exit status: 1 if an entry failed, else 0.

    Raises:
        UserError: bad input, or undefended runs that failed.
    """
    if arguments.recompute is not None:
        return _recompute(arguments.recompute)
    arguments.overrides = [*map(home_quoted, arguments.overrides)]
    words = {key: _words(arguments.overrides, key) for key in ("threat", "seed")}
    others = [word for word in arguments.overrides if word not in words["threat"]]
    threats = [word.partition("=")[2] for word in words["threat"]] + arguments.threat
    entry, overrides = choose(others, arguments.entry)
    console = Console()
    if arguments.all:
        if entry or arguments.quick or arguments.plan:
            raise UserError("--all judges all entries; of the options it takes --threat alone")
        entries = all_entries()
        shared = battery(Defence.of(overrides, arguments.config_dir), threats)
        plan = _say_plan(shared, console)
        first = each(plan[:SCREEN], SCREENED)
        whole = each(plan, len(shared[0].undefended.seeds))
        console.say(
            f"{len(entries)} entries share these runs. Besides, each takes {as_text(first)} in the "
            f"first settings, or less where one ends it, and if it goes on, {as_text(whole)} in "
            "all."
        )
        question = "This judges every entry that is not judged yet. Start?"
        if not terminal.confirmed(question, yes=arguments.yes):
            return 0
        return int(bool(judge_all(entries, overrides, arguments.config_dir, console, threats)))
    if arguments.quick and not _words(overrides, "seed"):
        lowest = parse(OmegaConf.load(CONF / "seed" / "judge.yaml").spec)[0]
        overrides.append(f"seed={lowest}-{lowest + QUICK - 1}")
    defence = Defence.of(overrides, arguments.config_dir)
    with rooms_for(defence) as rooms:
        settings = rooms.entrant(partial(battery, search=arguments.search), defence, threats)
        if arguments.quick and not threats:
            settings = settings[:SCREEN]
        check_seeds(settings, quick=arguments.quick)
        if arguments.dial and (entry is None or not entry.dial):
            raise UserError("--dial: an entry that declares a dial is needed, as entry=liminal")
        fits = [one.defended for one in settings if one.defended is not None][:1]
        needs = "".join(rooms.entrant(declared, one) for one in fits)
        check_access(arguments.track, needs)
        aware = arguments.track == "aware" or needs
        there = _as_trained(settings, rooms, aware=bool(aware))
        plan = _say_plan(there, console, quick=arguments.quick, full=arguments.full)
        if arguments.plan:
            return 0
        question = "This takes hours. Start?"
        if estimate(plan) > LONG and not terminal.confirmed(question, yes=arguments.yes):
            return 0
        track = track_of(settings, rooms, arguments.track)
        if entry:
            check_track(entry, track)
        if arguments.dial:
            assert entry is not None, "it was checked"
            found = turned(defence, entry.dial, rooms, console, track=track)
            dial.write(found, _folder(entry.name, settings))
            print(found.summary())
            return 0
        full = arguments.full or (entry is not None and entry.landmark)
        how = {"full": full, "quick": arguments.quick, "track": track}
        card = judge(defence, settings, rooms, console, **how)
    ways = [way for way in ("full", "quick", "search") if getattr(arguments, way)]
    name = card_name(entry.name if entry else defence.name, *threats, *ways, *words["seed"])
    folder = _keep(card, name, there, defence.tracker(), console)  # files first
    show.show(card, terminal.console(show.WIDTH))
    console.say(f"Files: {folder / 'scorecard.md'}, {scorecard.FILE}, {scorecard.SEEDS}")
    return 0


def card_name(*parts: str) -> str:
    """Return the folder's name of a card: of an entry, then of settings, options and seeds."""
    name = "-".join(parts)
    if len(name) > LONGEST:
        name = f"{name[:LONGEST]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return file_stem(name)


def judge_all(
    entries: Sequence[Entry],
    own: Sequence[str],
    config_dir: Path | None,
    console: Console,
    threats: Sequence[str] = (),
) -> dict[str, str]:
    """Judge the entries without a scorecard of the present battery and seeds, in order.

    An entry that cannot be judged is reported and skipped. `own` are the judge's overrides: seeds,
    folders, engine; `threats` the settings, by default all.

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
            with rooms_for(defence) as rooms:
                settings = rooms.entrant(battery, defence, threats)
                name = card_name(entry.name, *threats, *_words(own, "seed"))
                if _is_judged(_folder(name, settings), defence, settings, final=not threats):
                    continue
                console.say(f"Entry {number} of {len(entries)}: {entry.name}")
                track = track_of(settings, rooms)
                check_track(entry, track)
                there = _as_trained(settings, rooms, aware=track == "aware")
                card = judge(defence, settings, rooms, console, full=entry.landmark, track=track)
                if entry.dial:
                    found = turned(defence, entry.dial, rooms, console, track=track)
                    dial.write(found, _folder(entry.name, settings))
                    console.say(found.summary())
        except UserError as error:
            failed[entry.name] = str(error)
            console.say(f"{entry.name} is not judged: {error}")
            continue
        _keep(card, name, there, defence.tracker(), console)
        console.say(f"{entry.name}: {card.headline()}")
    return failed


def _as_trained(settings: Sequence[Setting], rooms: Rooms, *, aware: bool) -> Sequence[Setting]:
    """Return the settings with the jobs that train: blind ones, unless the defence is aware."""
    return settings if aware else [rooms.entrant(blinded, one) for one in settings]


def _say_plan(
    settings: Sequence[Setting], console: Console, *, quick: bool = False, full: bool = False
) -> list[SettingPlan]:
    """Print the plan and its minutes, of the first settings and of all; return it."""
    few = [narrowed(setting, QUICK) for setting in settings]
    plan = planned(few if quick else settings)
    console.say(show_plan(plan))
    if not (full or quick) and len(settings) > SCREEN:
        first = planned([narrowed(setting, SCREENED) for setting in settings[:SCREEN]])
        console.say(
            f"The first {SCREEN} settings at {SCREENED} seeds ({minutes(*first) or 'finished'}) "
            "decide whether the rest is tried: one of them must show a leak that is halved, and "
            "none that the defence has little or no effect, hides the trait or worsens it, which "
            "ends it at once; --full tries all."
        )
    return plan


def _recompute(path: Path) -> int:
    """Show the card that a card's file of seeds makes; tell whether it is the same."""
    made = scorecard.recomputed(path)
    show.show(made, terminal.console(show.WIDTH))
    same = made.headline() == (scorecard.read(path) or {})["headline"]
    Console().say(f"The headline is {'' if same else 'NOT '}that of {path}.")
    return int(not same)


def _folder(name: str, settings: Sequence[Setting]) -> Path:
    return Path(settings[0].undefended.cfg.outputs) / NAME / "scorecards" / name


def _is_judged(
    folder: Path, defence: Defence, settings: Sequence[Setting], *, final: bool = True
) -> bool:
    """Tell whether a folder holds a scorecard of this defence, these seeds and settings.

    A card of an older judge is made again.
    """
    card = scorecard.read(folder / scorecard.FILE)
    if card is None:
        return False
    seeds, few = settings[0].undefended.seeds, settings[0].undefended.seeds[:SCREENED]
    return (
        bool(card["final"] or not final)
        and tuple(card["defence"]) == defence.overrides
        and tuple(card["seeds"]) == (few if card["screened"] else seeds)
        and {one.name for one in settings}
        <= {*(fact["setting"] for fact in card["facts"]), *card["left_out"]}
        and scorecard.is_todays(card, settings)
    )


def _keep(
    card: Scorecard, name: str, settings: Sequence[Setting], tracker: Any, console: Console
) -> Path:
    """Write a scorecard and log it to W&B; return its folder."""
    folder = scorecard.write(card, _folder(name, settings), show.page(card))
    jobs = [job for setting in settings for job in setting.jobs.values()]
    runs = dict.fromkeys(run for job in jobs for run in finished(job))
    if line := show.log_scorecard(card, name, folder.parents[1], tracker, runs):
        console.say(line)
    return folder


def _words(overrides: Sequence[str], key: str) -> list[str]:
    return [word for word in overrides if word.startswith(f"{key}=")]
