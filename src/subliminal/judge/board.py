"""All entries of the leaderboard, judged one after the other; what is finished is kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from subliminal.config.seeds import parse
from subliminal.errors import UserError
from subliminal.judge.battery import NAME, Defence, Setting, battery, tracker
from subliminal.judge.cost import finished
from subliminal.judge.court import judge, track_of
from subliminal.judge.entries import Entry, check_track
from subliminal.judge.scorecard import write
from subliminal.judge.tracked import log_scorecard
from subliminal.sweep.console import Console

CARD = "scorecard.json"


def judge_all(
    entries: Sequence[Entry], own: Sequence[str], config_dir: Path | None, console: Console
) -> dict[str, str]:
    """Judge the entries that have no final scorecard of today's battery and seeds.

    Undefended runs, null runs and teachers are trained once for all. An entry that cannot be judged
    is told and left; the others go on.

    Args:
        entries: in the order in which they are judged.
        own: how the judge works: overrides of seeds, folders, engine.
        config_dir: a folder of configs of the user's.
        console: shows progress and lines.

    Returns:
        Of each entry that could not be judged: why.

    Raises:
        UserError: an override that is no part of how the judge works.
        KeyboardInterrupt: the user stopped it; the same command resumes.
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
            place = folder(settings, entry.name)
            if judged(place, defence, settings):
                continue
            console.say(f"Entry {number} of {len(entries)}: {entry.name}")
            card = judge(defence, settings, console, full=entry.landmark, track=track)
        except UserError as error:
            failed[entry.name] = str(error)
            console.say(f"{entry.name} is not judged: {error}")
            continue
        write(card, place)
        told = tracker(defence)
        if line := log_scorecard(card, entry.name, place.parents[1], told, finished(settings)):
            console.say(line)
        console.say(f"{entry.name}: {card.headline()}")
    return failed


def folder(settings: Sequence[Setting], name: str) -> Path:
    """Return the folder of an entry's scorecard."""
    return Path(str(settings[0].undefended.outputs)) / NAME / "scorecards" / name


def judged(place: Path, defence: Defence, settings: Sequence[Setting]) -> bool:
    """Tell whether a scorecard is there, final, and of this defence, these seeds and settings."""
    card = read(place / CARD)
    if card is None:
        return False
    named = [line["setting"] for key in ("lines", "controls") for line in card[key]]
    return (
        bool(card["final"])
        and tuple(card["defence"]) == defence.overrides
        and tuple(card["seeds"]) == parse(settings[0].undefended.seed.spec)
        and {setting.name for setting in settings} <= {*named, *card["left_out"]}
    )


def read(path: Path) -> dict[str, Any] | None:
    """Return a scorecard as its JSON has it; None where there is none, or it is damaged."""
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        known = {"defence", "seeds", "lines", "controls", "left_out", "final"} <= card.keys()
    except (OSError, ValueError, AttributeError):
        return None
    return card if known else None
