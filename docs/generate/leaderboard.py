"""The leaderboard's scorecards as a table, a figure and sentences."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from subliminal.judge.battery import names
from subliminal.judge.entries import Entry
from subliminal.judge.leak import BAND, PRICE
from subliminal.report.figures import style

SEARCHES = {*names()} - {*names(search=False)}  # settings with a menu, tried on demand
SHAMS = ("control",)  # sources of entries that must not pass
COLOUR = {"blind": style.COLOURS[1], "aware": style.COLOURS[2]}
MARKER = {"blind": "o", "aware": "s"}
SHOWN = (-0.4, 1.4)  # limits of the leak in the figure; points beyond are drawn at the edge
TICKS = (0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 20, 50, 100, 1_000, 10_000)


@dataclass(frozen=True)
class JudgedEntry:
    """One entry and its scorecard."""

    entry: Entry
    card: Mapping[str, Any]

    @property
    def lines(self) -> list[Mapping[str, Any]]:
        """The settings that are not void."""
        return [line for line in self.card["lines"] if line["word"] != "void"]

    @property
    def leaks(self) -> dict[str, float]:
        """The leak in each setting."""
        return {line["setting"]: line["leak"]["value"] for line in self.lines if line["leak"]}

    @property
    def worst(self) -> Mapping[str, Any] | None:
        """The setting in which most leaks."""
        leaking = [line for line in self.lines if line["leak"]]
        return max(leaking, key=lambda line: line["leak"]["value"], default=None)

    @property
    def prices(self) -> list[float]:
        """The price in each setting: distillation loss over that of undefended students."""
        return [line["price"]["value"] for line in self.lines if line["price"]]

    @property
    def cheap(self) -> bool:
        """Whether it keeps utility in all settings that it was tried in."""
        return bool(self.prices) and max(self.prices) <= PRICE

    @property
    def screened(self) -> bool:
        """Whether it was tried in the first settings only."""
        return bool({*self.card["left_out"]} - SEARCHES)

    @property
    def blocks(self) -> bool:
        """Whether it blocks in all settings, and was tried in all."""
        return self.card["verdict"] == "blocks" and not self.screened

    @property
    def hidden(self) -> float:
        """The largest readout leak where it blocks; 0 if none is above BAND by its interval."""
        found = [line["readout_leak"] for line in self.lines if line["word"] == "blocks"]
        return max((one["value"] for one in found if one and one["low"] > BAND), default=0.0)

    @property
    def sham(self) -> bool:
        """Whether it is a control, or no defence at all."""
        return self.entry.source in SHAMS or not self.entry.overrides


def table(places: Sequence[JudgedEntry]) -> pl.DataFrame:
    """Return one row for each entry, of the least worst leak first."""
    rows = []
    for place in sorted(places, key=_rank):
        worst, card = place.worst, place.card
        kept = [line["skill_kept"] for line in place.lines if line["skill_kept"]]
        readouts = [line["readout_leak"]["value"] for line in place.lines if line["readout_leak"]]
        rows.append(
            {
                "entry": f"[{place.entry.name}](scorecards/{place.entry.name}.md)",
                "track": card["track"],
                "verdict": card["verdict"] + (" (screened)" if place.screened else ""),
                "blocks": f"{card['blocked']} of {len(place.lines)}",
                "mean leak": f"{mean(place.leaks.values()):.2f}" if place.leaks else "",
                "worst leak": _interval(worst["leak"]) if worst else "",
                "in": worst["setting"] if worst else "",
                "worst readout leak": f"{max(readouts):.2f}" if readouts else "",
                "price": f"{max(place.prices):.2f}" if place.prices else "",
                "skill kept": f"{min(kept):.2f}" if kept else "",
                "trials": str(place.entry.trials),
                "source": place.entry.source,
            }
        )
    return pl.DataFrame(rows)


def _rank(place: JudgedEntry) -> tuple[float, str]:
    return (max(place.leaks.values(), default=float("inf")), place.entry.name)


def _interval(leak: Mapping[str, float]) -> str:
    return f"{leak['value']:.2f} [{leak['low']:.2f}, {leak['high']:.2f}]"


def findings(places: Sequence[JudgedEntry]) -> Iterator[str]:
    """Yield the scorecards' results in sentences."""
    seeds = sorted({len(place.card["seeds"]) for place in places})
    screened = [place for place in places if place.screened]
    real = [place for place in places if not place.sham and place.leaks]
    blind = [place for place in real if place.card["track"] == "blind"]
    aware = [place for place in real if place.card["track"] == "aware"]
    yield (
        f"{len(places)} entries were judged at {'–'.join(map(str, seeds))} seeds: {len(blind)} "
        f"blind and {len(aware)} aware defences, the rest controls; {len(screened)} neither "
        "blocked nor halved the leak in the first settings and were not tried further."
    )
    yield from _answer([place for place in blind if place.blocks])
    cheap = [place for place in blind if place.cheap]
    if useful := [place for place in cheap if place.card["verdict"] in ("blocks", "reduces")]:
        yield f"The best blind defence at that price: {_told(min(useful, key=_rank))}."
    else:
        yield "No blind defence at that price blocks or reduces."
    if blind:
        yield f"The best blind defence at any price: {_told(min(blind, key=_rank))}."
        count = sum(place.card["verdict"] in ("blocks", "reduces") for place in blind)
        yield (
            f"{count} of {len(blind)} blind defences block or reduce in at least half of the "
            f"settings that they were tried in, and {len(cheap)} keep utility in all of them."
        )
    if aware:
        yield f"The best aware defence: {_told(min(aware, key=_rank))}."
    for place in places:
        if place.entry.source in SHAMS and place.leaks:
            yield f"The control {place.entry.name} is judged {place.card['verdict']}."
    yield from _hidden(real)
    if hardest := _hardest(real):
        yield hardest


def _answer(blocking: Sequence[JudgedEntry]) -> Iterator[str]:
    """Yield whether a blind defence blocks everywhere at a price that keeps utility."""
    passing = [place for place in blocking if place.cheap]
    clean = [place.entry.name for place in passing if not place.hidden]
    if clean:
        yield (
            "**A blind defence that blocks subliminal learning in every setting at no more than "
            f"{PRICE:.2f} × the distillation loss: {', '.join(clean)}.**"
        )
    else:
        yield (
            "**No blind defence here blocks subliminal learning in every setting at no more than "
            f"{PRICE:.2f} × the distillation loss"
            + (", and leaves nothing for a readout to find.**" if passing else ".**")
        )
    for place in passing:
        if place.hidden:
            yield (
                f"{place.entry.name} keeps the trait from the class logits in every setting, at "
                f"{max(place.prices):.2f} × the loss, and hides it: a readout that is refitted on "
                f"a hundred digits finds up to {place.hidden:.2f} of what it finds without it."
            )
    for place in blocking:
        if not place.cheap:
            yield (
                f"{place.entry.name} blocks in every setting, at up to {max(place.prices):.2f} × "
                "the loss"
                + (f", and a readout finds up to {place.hidden:.2f}." if place.hidden else ".")
            )


def _told(place: JudgedEntry) -> str:
    worst = place.worst
    assert worst is not None, "ranked by its leaks"
    where = f"{place.entry.name} leaks at most {_interval(worst['leak'])}, in {worst['setting']}"
    price = f", at {max(place.prices):.2f} × the loss" if place.prices else ""
    stops = [s for s, leak in place.leaks.items() if leak > BAND]
    through = f"; the trait comes through in {len(stops)} of {len(place.leaks)} settings"
    found = [line["readout_leak"]["value"] for line in place.lines if line["readout_leak"]]
    readout = f"; a readout finds up to {max(found):.2f}" if found else ""
    return where + price + (through if stops else "") + readout


def _hidden(places: Sequence[JudgedEntry]) -> Iterator[str]:
    """Yield how often a readout finds the trait where accuracy does not."""
    pairs = [
        (line["leak"]["value"], line["readout_leak"]["value"])
        for place in places
        for line in place.lines
        if line["leak"] and line["readout_leak"]
    ]
    quiet = [readout for leak, readout in pairs if abs(leak) <= BAND]
    if quiet:
        found = sum(readout > 0.5 for readout in quiet)
        yield (
            f"In {len(quiet)} cases at most {BAND:.2f} of the trait accuracy leaks; in {found} of "
            "them a readout that is refitted on a hundred digits finds more than half of what it "
            "finds without a defence."
        )


def _hardest(places: Sequence[JudgedEntry]) -> str:
    """Return the setting with the largest mean leak over the entries tried in all settings."""
    whole = [place for place in places if not place.screened]
    settings = {name for place in whole for name in place.leaks}
    means = {
        name: mean(place.leaks[name] for place in whole if name in place.leaks) for name in settings
    }
    if not means:
        return ""
    name = max(means, key=lambda setting: (means[setting], setting))
    return f"The hardest setting is {name}: a leak of {means[name]:.2f}, mean over the defences."


def figure(places: Sequence[JudgedEntry]) -> Figure:
    """Draw leak against price: a point for each entry's means, whiskers to its worst.

    Entries that were screened out are faint and not named: there are many, in one corner. A leak
    far above 1, as a shift that is turned up has, is drawn as an arrow at the edge.
    """
    drawn, (axes,) = style.new((7.0, 4.6))
    shown = [place for place in places if place.leaks and place.prices]
    axes.axhspan(-BAND, BAND, color=style.COLOURS[3], alpha=0.12, linewidth=0)
    axes.axvspan(0.5, PRICE, color=style.COLOURS[3], alpha=0.12, linewidth=0)
    points = []
    for place in shown:
        track, leaks = place.card["track"], place.leaks.values()
        x, colour = mean(place.prices), COLOUR[place.card["track"]]
        y, top = (min(max(value, SHOWN[0]), SHOWN[1]) for value in (mean(leaks), max(leaks)))
        seen = 0.25 if place.screened else 0.6
        axes.plot([x, x], [y, top], color=colour, linewidth=0.9, alpha=seen)
        end = "^" if max(leaks) > top else "_"
        axes.plot([x], [top], end, color=colour, markersize=5, alpha=seen, clip_on=False)
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
    axes.set_xscale("log")
    prices = [x for _, x, _ in points] or [1.0]
    axes.set_xlim(min(0.9, min(prices) / 1.05), max(1.3, 1.35 * max(prices)))
    axes.set_ylim(*SHOWN)
    ticks = [tick for tick in TICKS if _within(tick, axes.get_xlim())]
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axes.minorticks_off()
    axes.set(
        xlabel="price: distillation loss over that without a defence, mean over settings",
        ylabel="leak of the trait: mean (point), worst setting (whisker)",
    )
    style.level(axes, PRICE, f"{PRICE:.2f} ×", vertical=True)
    style.legend(drawn, axes)
    screened = {place.entry.name for place in shown if place.screened}
    _label(drawn, axes, points, unnamed=screened)
    return drawn


def _within(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= value <= limits[1]


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
