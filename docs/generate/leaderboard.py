"""The leaderboard's scorecards as a table, a figure and sentences."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any, get_args

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from subliminal.judge.battery import names
from subliminal.judge.entries import Entry
from subliminal.judge.evaluation import PLAIN
from subliminal.judge.lines import BLOCKS, KEEPS, NOT_SHOWN, LeakWord, utility_word
from subliminal.judge.recovery import LOGITS
from subliminal.report.figures import style

SEARCHES = {*names()} - {*names(search=False)}  # settings with a menu, tried on demand
SHAMS = ("control",)  # sources of entries that must not pass
COLOUR = {"blind": style.COLOURS[1], "aware": style.COLOURS[2]}
MARKER = {"blind": "o", "aware": "s"}
SHOWN = (-0.3, 1.3)  # limits of the leak in the figure; points beyond are drawn at the edge
CROWD = 0.9  # a leak above which screened entries have no name in the figure
ORDER = (*get_args(LeakWord), NOT_SHOWN)
GOOD = ("blocks", "mostly blocks")


@dataclass(frozen=True)
class JudgedEntry:
    """One entry and its scorecard."""

    entry: Entry
    card: Mapping[str, Any]

    @property
    def lines(self) -> list[Mapping[str, Any]]:
        """The settings that are shown."""
        return [one for one in self.card["lines"] if one["word"] in get_args(LeakWord)]

    @property
    def leaks(self) -> dict[str, float]:
        """The leak in each setting, by the way that recovers most."""
        return {line["setting"]: line["leak"]["value"] for line in self.lines if line["leak"]}

    @property
    def worst(self) -> Mapping[str, Any] | None:
        """The setting in which most leaks."""
        leaking = [line for line in self.lines if line["leak"]]
        return max(leaking, key=lambda line: line["leak"]["value"], default=None)

    @property
    def of_logits(self) -> str:
        """What comes through the class logits in the reference setting, where that is shown."""
        ways = [json.loads(of["by_way"]) for of in self.lines if of["setting"] == PLAIN]
        return "".join(_interval(found[LOGITS]) for found in ways if LOGITS in found)

    @property
    def kept(self) -> float | None:
        """The least V of a setting."""
        return min((line["kept"]["value"] for line in self.lines if line["kept"]), default=None)

    @property
    def keeps(self) -> bool:
        """Whether it keeps the task in all settings that it was tried in."""
        return self.kept is not None and utility_word(self.kept) == "keeps"

    @property
    def screened(self) -> bool:
        """Whether it was tried in the first settings only."""
        return bool(self.card["screened"])

    @property
    def blocks(self) -> bool:
        """Whether it blocks in all settings, and was tried in all."""
        return self.card["verdict"] == "blocks" and not self.how

    @property
    def how(self) -> str:
        """How far it was tried, in parentheses; empty: in all settings."""
        how = "screened" if self.screened else self.card["tentative"]
        return f" ({how})" if how else ""

    @property
    def sham(self) -> bool:
        """Whether it is a control, or no defence at all."""
        return self.entry.source in SHAMS or not self.entry.overrides


def table(places: Sequence[JudgedEntry]) -> pl.DataFrame:
    """Return one row for each entry, from the best word to the worst."""
    rows = []
    for place in sorted(places, key=_rank):
        worst, card = place.worst, place.card
        skills = [line["skill_kept"]["value"] for line in place.lines if line["skill_kept"]]
        rows.append(
            {
                "entry": f"[{place.entry.name}](scorecards/{place.entry.name}.md)",
                "track": card["track"],
                "leak": card["verdict"] + place.how,
                "utility": card["utility"],
                "recovered at worst": _interval(worst["leak"]) if worst else "",
                "in": worst["setting"] if worst else "",
                "by": worst["way"] if worst else "",
                "class logits in reference": place.of_logits,
                "kept": "" if place.kept is None else f"{place.kept:.2f}",
                "settings shown": f"{len(place.lines)} of {len(card['lines'])}",
                "skill kept": f"{min(skills):.2f}" if skills else "",
                "trials": str(place.entry.trials),
                "source": place.entry.source,
            }
        )
    return pl.DataFrame(rows)


def _rank(place: JudgedEntry) -> tuple[int, float, str]:
    most = max(place.leaks.values(), default=float("inf"))
    return ORDER.index(place.card["verdict"]), most, place.entry.name


def _interval(leak: Mapping[str, float]) -> str:
    return f"{leak['value']:.2f} [{leak['low']:.2f}, {leak['high']:.2f}]"


def findings(places: Sequence[JudgedEntry]) -> Iterator[str]:
    """Yield the scorecards' results in sentences."""
    seeds = sorted({len(place.card["seeds"]) for place in places})
    real = [place for place in places if not place.sham and place.leaks]
    blind = [place for place in real if place.card["track"] == "blind"]
    aware = [place for place in real if place.card["track"] == "aware"]
    screened = sum(place.screened for place in places)
    yield (
        f"{len(places)} entries were judged, at {' or '.join(map(str, seeds))} seeds: "
        f"{len(blind)} blind and {len(aware)} aware defences, the rest controls; {screened} were "
        "not tried beyond the first settings, because these settled the verdict or none "
        "showed a leak that was halved."
    )
    if going_on := [place.entry.name for place in places if place.card["tentative"]]:
        yield f"To be tried in all settings, and judged in the first alone: {', '.join(going_on)}."
    passing = [place for place in blind if place.blocks and place.keeps]
    if passing:
        found = ", ".join(place.entry.name for place in passing)
        yield f"**A blind defence that blocks in every setting shown and keeps the task: {found}.**"
    else:
        yield "**No blind defence here blocks in every setting shown and keeps the task.**"
    for place in blind:
        if place.blocks and not place.keeps:
            yield f"{place.entry.name} blocks, and keeps {place.kept:.2f} of the task's gain."
    keeping = [place for place in blind if place.keeps]
    for title, those in (
        (f"The least leak of a blind defence at V ≥ {KEEPS:.2f}", keeping),
        ("The least leak of a blind defence at any V", blind),
        ("The least leak of an aware defence", aware),
    ):
        if told := _least(those):
            yield f"{title}: {told}."
    turned = [(p, d) for p in blind if (d := p.card.get("dial")) and d["leak"]]
    if turned:
        place, dial = min(turned, key=lambda one: float(one[1]["leak"]["value"]))
        yield (
            f"Of {len(turned)} that were turned to V = {KEEPS:.2f} in the reference setting, "
            f"{place.entry.name} leaks least: {dial['summary']}."
        )
    hiding = [place.entry.name for place in real if place.card["verdict"] == "hides"]
    if hiding:
        yield f"{len(hiding)} hide the trait from the class logits: {', '.join(hiding)}."
    for place in places:
        if place.entry.source in SHAMS and place.leaks:
            yield f"The control {place.entry.name}: {place.card['verdict']}."
    if hardest := _hardest(real):
        yield hardest


def _least(places: Sequence[JudgedEntry]) -> str:
    """Return the entry that leaks least in the settings that all of them show; "" without one."""
    common = set.intersection(*({*place.leaks} for place in places)) if places else set()
    if not common:
        return ""

    def worst(place: JudgedEntry) -> Mapping[str, Any]:
        lines = (line for line in place.lines if line["setting"] in common)
        return max(lines, key=lambda line: float(line["leak"]["value"]))

    best = min(places, key=lambda place: float(worst(place)["leak"]["value"]))
    found, more = worst(best), any(common < {*place.leaks} for place in places)
    return (
        f"{best.entry.name}, at most {_interval(found['leak'])}, in {found['setting']} through "
        f"the {found['way']}, at V = {best.kept:.2f}"
        + f" (of {', '.join(sorted(common))}, which all of these were tried in)"
        * more
    )


def _hardest(places: Sequence[JudgedEntry]) -> str:
    """Return the setting with the largest mean leak over the entries tried in all settings."""
    whole = [place for place in places if not place.how]
    settings = {name for place in whole for name in place.leaks}
    means = {
        name: mean(place.leaks[name] for place in whole if name in place.leaks) for name in settings
    }
    if not means:
        return ""
    name = max(means, key=lambda setting: (means[setting], setting))
    return f"The hardest setting is {name}: a leak of {means[name]:.2f}, mean over the defences."


def figure(places: Sequence[JudgedEntry]) -> Figure:
    """Draw leak against V: a point for each entry's worst, a whisker down to its mean leak.

    Entries that were screened out are faint, and have no name where nearly all leaks.
    """
    drawn, (axes,) = style.new((7.0, 4.6))
    shown = [place for place in places if place.leaks and place.kept is not None]
    points = []
    for place in shown:
        track, leaks = place.card["track"], place.leaks.values()
        x, colour = max(place.kept or 0.0, 0.0), COLOUR[place.card["track"]]
        low, y = (min(max(value, SHOWN[0]), SHOWN[1]) for value in (mean(leaks), max(leaks)))
        seen = 0.25 if place.screened else 0.6
        axes.plot([x, x], [low, y], color=colour, linewidth=0.9, alpha=seen)
        fill, solid = "white" if place.sham else colour, min(1.0, seen + 0.4)
        axes.plot(
            [x], [y], MARKER[track], color=fill, mec=colour, mew=1.0, markersize=4.5, alpha=solid
        )
        points.append((place.entry.name, x, y))
    for track in COLOUR:
        if any(place.card["track"] == track for place in shown):
            axes.plot([], [], MARKER[track], color=COLOUR[track], label=track, markersize=4.5)
    if any(place.sham for place in shown):
        axes.plot([], [], "o", color="white", mec=style.GREY, label="none, controls")
    axes.set(
        xlabel="V: share of the task's gain that is kept, in the setting that keeps least",
        ylabel="leak of the trait: worst setting (point), mean (whisker)",
    )
    _frame(axes)
    style.legend(drawn, axes)
    crowd = {p.entry.name for p in shown if p.screened and max(p.leaks.values()) > CROWD}
    _label(drawn, axes, points, unnamed=crowd)
    return drawn


def dials(places: Sequence[JudgedEntry]) -> Figure:
    """Draw the leak and V of each entry with a dial, as its key is turned from the least value."""
    drawn, (axes,) = style.new((7.0, 4.0))
    for number, place in enumerate(one for one in places if one.card.get("dial")):
        dial = place.card["dial"]
        points = sorted(dial["points"], key=lambda point: point["value"])
        x = [max(point["kept"], 0.0) for point in points]
        y = [min(max(point["leak"], SHOWN[0]), SHOWN[1]) for point in points]
        colour, mark = style.colour(1 + number), f"{style.marker(number)}-"
        label = f"{place.entry.name}, {dial['key'].rpartition('.')[2]}"
        axes.plot(x, y, mark, color=colour, markersize=4, linewidth=1.0, label=label)
        for end in (0, -1):
            text, at = f"{points[end]['value']:g}", (x[end], y[end])
            axes.annotate(text, at, (4, 3), textcoords="offset points", color=colour, fontsize=6)
    axes.set(xlabel="V: share of the task's gain that is kept", ylabel="leak of the trait")
    _frame(axes)
    style.legend(drawn, axes)
    return drawn


def _frame(axes: Axes) -> None:
    """Set the limits of leak and V, and mark the bounds of the words *blocks* and *keeps*."""
    axes.axhspan(-1, BLOCKS, color=style.COLOURS[3], alpha=0.12, linewidth=0)
    axes.axvspan(KEEPS, 2, color=style.COLOURS[3], alpha=0.12, linewidth=0)
    axes.set_xlim(-0.03, 1.08)
    axes.set_ylim(*SHOWN)
    style.level(axes, KEEPS, f"{KEEPS:.2f}", vertical=True)


def _label(
    drawn: Figure, axes: Axes, points: Sequence[tuple[str, float, float]], unnamed: Collection[str]
) -> None:
    """Label the points without overlaps; a thin line leads to a label that is far away."""
    drawn.draw_without_rendering()
    places = [axes.transData.transform((x, y)) for _, x, y in points]
    taken = [Bbox.from_bounds(float(a) - 6, float(b) - 6, 12, 12) for a, b in places]
    frame = axes.get_window_extent()
    scale = drawn.dpi / 72
    named = [point for point in points if point[0] not in unnamed]
    for name, x, y in sorted(named, key=lambda point: (point[2], point[0])):
        text = axes.annotate(
            style.plain(name),
            (x, y),
            xytext=(0, 0),
            textcoords="offset points",
            fontsize=6,
            va="center",
            path_effects=[withStroke(linewidth=2, foreground="white")],
            arrowprops={"arrowstyle": "-", "linewidth": 0.3, "color": style.GREY, "shrinkB": 2},
        )
        size = Text.get_window_extent(text)  # without its line
        at = axes.transData.transform((x, y))
        for dx, dy in _offsets():
            left = at[0] + dx * scale if dx > 0 else at[0] + dx * scale - size.width
            bottom = at[1] + dy * scale - size.height / 2
            box = Bbox.from_bounds(left, bottom, size.width, size.height)
            inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 + 4
            inside = inside and frame.y0 <= box.y0 and box.y1 <= frame.y1
            if inside and not any(box.overlaps(other) for other in taken):
                break
        text.set_horizontalalignment("left" if dx > 0 else "right")
        text.set_position((dx, dy))
        taken.append(box)


def _offsets() -> Iterator[tuple[float, float]]:
    """Yield a label's possible offsets from its point, the nearest first."""
    for reach in range(5, 150, 4):
        for rise in sorted({0, reach / 2, -reach / 2, reach, -reach}, key=abs):
            yield reach, rise
            yield -reach, rise
