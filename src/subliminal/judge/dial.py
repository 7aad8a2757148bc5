"""A dial instead of a point: leak against what is kept, as one key of an entry is turned.

The values are tried in the reference setting on development seeds. Where the curve passes V = 0.95
the entry's value is read off, and confirmed once, on the judge's seeds.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from math import exp, log
from pathlib import Path

from subliminal import store
from subliminal.judge import battery
from subliminal.judge.battery import Defence
from subliminal.judge.evaluation import PLAIN
from subliminal.judge.fieller import Interval
from subliminal.judge.lines import KEEPS, Facts, Line, line
from subliminal.judge.rooms import Rooms
from subliminal.judge.trial import tried
from subliminal.sweep.console import Console

DEVELOPMENT = "0-5"  # seeds
MOST = 7  # values
FILE = "dial.json"


@dataclass(frozen=True)
class Point:
    """What a value of the key gives on the development seeds."""

    value: float
    leak: float
    kept: float


@dataclass(frozen=True)
class Dial:
    """A curve, and the point of it that was confirmed."""

    key: str
    points: tuple[Point, ...]
    chosen: float | None = None  # value at V = 0.95; None: the curve does not pass it
    word: str = ""  # on the judge's seeds, as the next two
    leak: Interval | None = None
    kept: Interval | None = None

    def summary(self) -> str:
        """Return the result in one line."""
        if self.chosen is None:
            ends = sorted(point.kept for point in self.points)
            return f"{self.key}: V from {ends[0]:.2f} to {ends[-1]:.2f} does not pass {KEEPS:.2f}"
        leak, kept = (one.format() if one else "–" for one in (self.leak, self.kept))
        return (
            f"{self.key}={self.chosen:.4g} at V = {KEEPS:.2f}: {self.word}, leak {leak}, V {kept}"
        )


def turned(
    defence: Defence,
    declared: Mapping[str, Sequence[float]],
    rooms: Rooms,
    console: Console,
    *,
    track: str,
) -> Dial:
    """Try the declared values of a key; confirm the one that keeps 0.95 of the task.

    Raises:
        UserError: a value does not compose, or an undefended run failed.
    """
    ((key, values),), points = declared.items(), []
    for number, value in enumerate(values, start=1):
        console.say(f"Dial {key}: {value:g}, {number} of {len(values)}")
        found = _line(defence.on(DEVELOPMENT), key, value, rooms, track)
        if found.leak is not None and found.kept is not None:
            points.append(Point(value, found.leak.value, found.kept.value))
    chosen = at_least(points)
    if chosen is None:
        return Dial(key, tuple(points))
    if all(float(value).is_integer() for value in values):
        chosen = float(round(chosen))
    console.say(f"Dial {key}: {chosen:g}, on the judge's seeds")
    found = _line(defence, key, chosen, rooms, track)
    return Dial(key, tuple(points), chosen, found.word, found.leak, found.kept)


def at_least(points: Sequence[Point]) -> float | None:
    """Return the value at which V is 0.95, between neighbours on either side of it.

    V is interpolated linearly in the value, or in its logarithm where all are positive. Of several
    places the one where least leaks is taken.
    """
    ordered = sorted(points, key=lambda point: point.value)
    positive = all(point.value > 0 for point in ordered)
    found = []
    for a, b in pairwise(ordered):
        if (a.kept - KEEPS) * (b.kept - KEEPS) > 0 or a.kept == b.kept:
            continue
        share = (KEEPS - a.kept) / (b.kept - a.kept)
        x, y = (log(p.value) if positive else p.value for p in (a, b))
        value = x + share * (y - x)
        found.append((a.leak + share * (b.leak - a.leak), exp(value) if positive else value))
    return min(found)[1] if found else None


def write(dial: Dial, folder: Path) -> None:
    """Write a dial beside its entry's scorecard."""
    folder.mkdir(parents=True, exist_ok=True)
    store.write_text(
        folder / FILE, json.dumps(asdict(dial) | {"summary": dial.summary()}, indent=2) + "\n"
    )


def _line(defence: Defence, key: str, value: float, rooms: Rooms, track: str) -> Line:
    """Return the line of the reference setting with a value of the key."""
    turned_to = replace(defence, overrides=(*defence.overrides, f"{key}={value:.6g}"))
    setting = rooms.entrant(battery.setting, turned_to, PLAIN)
    table, _ = tried(setting, rooms, track=track)
    return line(Facts(setting.name, setting.threat.asks), table, track)
