"""Sizes, colours, dashes, bands and files of all figures."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, partial
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from numpy.typing import NDArray

from subliminal import store
from subliminal.config.terminal import printable
from subliminal.report.conditions import Array, Condition
from subliminal.report.statistics import mean_band, mean_ci

logging.getLogger("fontTools.subset").setLevel(logging.WARNING)  # it logs each letter of a PDF

# Inches: a journal's one- and two-column figures, and the height of a row.
ONE_COLUMN = (3.4, 2.6)
TWO_COLUMNS = (7.0, 3.0)
ROW = 0.24

MOST_LINES = 8  # conditions that one panel of curves can hold
FEW_POINTS = 3  # of a curve, which are drawn as markers too
MOST_ROWS = 40  # conditions that one panel of rows can hold

# Okabe & Ito's colours, safe for the colour-blind; dashes and markers differ in grey print too.
COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#777777")
_DASHES: Any = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)))
MARKERS = "osD^vPX*"
GREY = "#777777"


def colour(place: int) -> str:
    """Return the colour of a place among the conditions."""
    return COLOURS[place % len(COLOURS)]


def marker(place: int) -> str:
    """Return the marker of a place among the conditions."""
    return MARKERS[place % len(MARKERS)]


_make: ContextVar[Callable[..., Figure]] = ContextVar("make", default=Figure)


@contextmanager
def style(make: Callable[..., Figure] = Figure) -> Iterator[None]:
    """Draw with the report's settings in place of the user's matplotlibrc.

    Args:
        make: constructor of figures; `matplotlib.pyplot.figure` shows them in a notebook.
    """
    settings = {
        "font.size": 8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "figure.dpi": 200,
        "pdf.fonttype": 42,  # text stays text for an editor
    }
    token = _make.set(make)
    try:
        with mpl.style.context(settings, after_reset=True):
            yield
    finally:
        _make.reset(token)


def plain(text: str) -> str:
    """Return text without formulas, escaping letters that the font lacks."""
    letters = _letters()
    shown = "".join(
        sign if ord(sign) in letters else sign.encode("unicode_escape").decode("ascii")
        for sign in printable(text)
    ).replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown  # legends leave out _names


@cache
def _letters() -> frozenset[int]:
    font = findfont(mpl.rcParamsDefault["font.sans-serif"][0])
    return frozenset(get_font(font).get_charmap())


def new(size: tuple[float, float], columns: int = 1) -> tuple[Figure, list[Axes]]:
    """Return an empty figure and its panels side by side."""
    figure = _make.get()(figsize=size, layout="constrained")
    return figure, list(figure.subplots(1, columns, squeeze=False)[0])


def legend(figure: Figure, axes: Axes) -> None:
    """Put the legend of `axes` above the figure."""
    handles, labels = axes.get_legend_handles_labels()
    characters = 15.7 * figure.get_figwidth()  # of a line
    columns = max(1, min(len(labels), int(characters / (6 + max(map(len, labels), default=0)))))
    figure.legend(handles, labels, loc="outside upper center", ncols=columns, frameon=False)


def line(axes: Axes, x: Array, values: Array, place: int, name: str, *, faint: float) -> None:
    """Draw the mean of curves (seeds, points) with its 95% band, and single seeds as `faint` lines.

    Opacity 0 draws no single seed.
    """
    mean, low, high = mean_band(values)
    if faint:
        axes.plot(x, values.T, color=colour(place), linewidth=0.3, alpha=faint)
    axes.fill_between(x, low, high, color=colour(place), alpha=0.2, linewidth=0)
    dashes = _DASHES[place % len(_DASHES)]
    axes.plot(x, mean, color=colour(place), linestyle=dashes, linewidth=1.4, label=plain(name))
    if len(x) <= FEW_POINTS:  # a line through one point is invisible
        bars = [mean - low, high - mean]
        axes.errorbar(x, mean, bars, color=colour(place), fmt=marker(place), markersize=4)


def zoom(axes: Axes, means: list[Array]) -> None:
    """Limit the y axis to the means and some room around them; single seeds may leave it."""
    low, high = min(m.min() for m in means), max(m.max() for m in means)
    room = 0.6 * max(high - low, 1e-9)
    axes.set_ylim(min(low - room, 0), max(high + room, 0))


def seed_rows(
    conditions: Sequence[Condition], values: Sequence[Sequence[float]], *, baseline: bool = False
) -> tuple[Figure, Axes]:
    """Draw a row for each condition from the top: seeds as dots, mean as a diamond with 95% CI.

    `values` has a number per seed for each of them. With `baseline` the first is drawn in black.
    """
    figure, (axes,) = new((TWO_COLUMNS[0], 0.7 + ROW * len(conditions)))
    for place, of in enumerate(values):
        estimate = mean_ci(of)
        spread = place + np.random.default_rng(0).uniform(-0.25, 0.25, len(of))
        shade = COLOURS[0 if baseline and place == 0 else 1]
        axes.plot(of, spread, ".", color=shade, markersize=3, alpha=0.6, linewidth=0)
        if estimate.low is not None and estimate.high is not None:
            axes.plot([estimate.low, estimate.high], [place, place], color="#000000", linewidth=1.6)
        axes.plot(estimate.mean, place, "D", color=shade, mec="#000000", mew=0.6, markersize=4)
    axes.set_yticks(range(len(conditions)), [plain(condition.name) for condition in conditions])
    axes.set_ylim(len(conditions) - 0.4, -0.6)
    return figure, axes


def level(axes: Axes, value: float, text: str, *, vertical: bool = False) -> None:
    """Draw a dotted line at a level, with its name at its end."""
    (axes.axvline if vertical else axes.axhline)(value, color=GREY, linewidth=0.8, linestyle=":")
    axes.annotate(
        text,
        (value, 1.0) if vertical else (1.0, value),
        xycoords=("data", "axes fraction") if vertical else ("axes fraction", "data"),
        xytext=(0, 1) if vertical else (2, 0),  # outside the axes, where it hides no point
        textcoords="offset points",
        ha="center" if vertical else "left",
        va="bottom" if vertical else "center",
        color="#555555",
        fontsize=7,
    )


def write_cells(axes: Axes, grid: Array, spec: str, dark: NDArray[np.bool_]) -> None:
    """Write numbers (rows, columns) into a heat map's cells, in white where these are `dark`."""
    for (row, column), value in np.ndenumerate(grid):
        if not np.isnan(value):
            text = f"{value:{spec}}".replace("-", "−")
            colour = "white" if dark[row, column] else "black"
            axes.text(column, row, text, ha="center", va="center", fontsize=6, color=colour)


def save(figure: Figure, stem: Path, title: str, caption: str, *, pdf: bool = True) -> None:
    """Write PNG (and PDF) with the caption in the metadata; the same runs give the same bytes."""
    metadata: dict[str, dict[str, Any]] = {
        "png": {"Software": None, "Title": title, "Description": caption}
    }
    if pdf:
        metadata["pdf"] = {"CreationDate": None, "Title": title, "Subject": caption}
    for kind, facts in metadata.items():
        path = stem.with_name(f"{stem.name}.{kind}")
        store.write_atomically(path, partial(figure.savefig, format=kind, metadata=facts))
