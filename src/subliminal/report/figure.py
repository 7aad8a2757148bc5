"""Figures: alignment and trait accuracy over training, the ledger, accuracy by condition."""

from contextlib import AbstractContextManager
from pathlib import Path

import matplotlib as mpl
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from subliminal import metrics
from subliminal.report.runs import Condition
from subliminal.statistics import mean_band, mean_ci

CHANCE = 0.1
WINDOW = 15  # steps of the centred moving average of alignments
TWO_COLUMNS = (7.0, 3.0)  # inches

# Okabe & Ito's colours, told apart by the colour-blind; the dashes tell them apart in grey.
_STYLES: list[tuple[str, str | tuple[int, tuple[int, ...]]]] = [
    ("#000000", "-"),
    ("#0072B2", "--"),
    ("#D55E00", "-."),
    ("#009E73", ":"),
    ("#CC79A7", (0, (5, 1))),
    ("#E69F00", (0, (3, 1, 1, 1))),
    ("#56B4E9", (0, (1, 1))),
    ("#777777", (0, (8, 2))),
]
_GREY = "#777777"

Array = NDArray[np.float64]


def main_figure(conditions: list[Condition], teacher: float, path: Path) -> None:
    """Draw alignment (left) and trait accuracy (right) over epochs to `path` (.png or .pdf)."""
    with _style():
        figure = Figure(figsize=TWO_COLUMNS, dpi=200, layout="constrained")
        left, right = figure.subplots(1, 2)
        for place, condition in enumerate(conditions):
            if metrics.ALIGNMENT in condition.steps.columns:
                curve = condition.curve(condition.steps, metrics.ALIGNMENT)
                _band(left, *_smooth(*curve), place, condition.name)
            x, values = condition.curve(condition.epochs, metrics.TRAIT_ACCURACY)
            _band(right, x, values, place, condition.name, seeds=True)
        left.axhline(0, color=_GREY, linewidth=0.8)
        left.set(xlabel="epoch", ylabel="alignment cos(g_D, g_T)")
        for label, level, below in (("chance", CHANCE, True), ("teacher", teacher, False)):
            right.axhline(level, color=_GREY, linewidth=0.8, linestyle=":")
            right.annotate(
                label,
                (1, level),
                xycoords=("axes fraction", "data"),
                xytext=(0, -3 if below else 2),
                textcoords="offset points",
                ha="right",
                va="top" if below else "bottom",
                color="#555555",
                fontsize=7,
            )
        right.set(xlabel="epoch", ylabel="trait accuracy", ylim=(0, 1.02))
        _save(figure, right, path)


def ledger_figure(conditions: list[Condition], path: Path) -> None:
    """Draw the applied updates' alignment (left) and the ledger's running sums (right)."""
    with _style():
        figure = Figure(figsize=TWO_COLUMNS, dpi=200, layout="constrained")
        left, right = figure.subplots(1, 2)
        for place, condition in enumerate(conditions):
            curve = condition.curve(condition.steps, metrics.UPDATE_ALIGNMENT)
            _band(left, *_smooth(*curve), place, condition.name)
            x, actual = condition.curve(condition.steps, metrics.total(metrics.LEDGER_ACTUAL))
            _band(right, x, actual, place, condition.name)
            x, predicted = condition.curve(condition.steps, metrics.total(metrics.LEDGER_PREDICTED))
            marks = slice(10, None, 40)
            colour = _STYLES[place % len(_STYLES)][0]
            right.plot(x[marks], predicted.mean(axis=0)[marks], "o", color=colour, markersize=3)
        for axes in (left, right):
            axes.axhline(0, color=_GREY, linewidth=0.8)
            axes.set(xlabel="epoch")
        left.set(ylabel="update alignment cos(−Δθ, g_T)")
        right.set(ylabel="change of the trait loss (nats)", yscale="symlog")
        _save(figure, right, path)


def accuracy_figure(conditions: list[Condition], path: Path) -> None:
    """Draw final accuracies to `path`: of the initial and teacher networks, and each condition's.

    Dots are single seeds, bars their mean with its 95% CI.
    """
    first = conditions[0]
    start, end = first.epochs["epoch"].min(), first.teacher["epoch"].max()
    bars = {
        "initial": first.epochs.filter(pl.col("epoch") == start)[metrics.TRAIT_ACCURACY].to_list(),
        "teacher": first.teacher.filter(pl.col("epoch") == end)[metrics.TEACHER_ACCURACY].to_list(),
    }
    bars |= {c.name: list(c.final(metrics.TRAIT_ACCURACY).values()) for c in conditions}
    with _style():
        figure = Figure(
            figsize=(TWO_COLUMNS[0], 0.6 + 0.32 * len(bars)), dpi=200, layout="constrained"
        )
        axes = figure.subplots()
        jitter = np.random.default_rng(0)
        for place, values in enumerate(bars.values()):
            colour = "#BBBBBB" if place < 2 else "#56B4E9"
            estimate = mean_ci(values)
            axes.barh(place, estimate.mean, height=0.7, color=colour, linewidth=0)
            spread = place + jitter.uniform(-0.25, 0.25, len(values))
            axes.plot(values, spread, ".", color="#000000", markersize=3, alpha=0.4, linewidth=0)
            if estimate.low is not None and estimate.high is not None:
                axes.plot([estimate.low, estimate.high], [place, place], color="#000000", lw=2)
        axes.axvline(CHANCE, color=_GREY, linewidth=0.8, linestyle=":")
        axes.set_yticks(range(len(bars)), [_short(name) for name in bars])
        axes.invert_yaxis()
        axes.set(xlabel="accuracy on the test digits (dotted: chance)", xlim=(0, 1))
        _write(figure, path)


def _short(name: str) -> str:
    return name.removeprefix("mitigation=").replace(",", ", ").replace("distill.", "")


def _style() -> AbstractContextManager[None]:
    return mpl.rc_context({"font.size": 8, "axes.spines.top": False, "axes.spines.right": False})


def _save(figure: Figure, labelled: Axes, path: Path) -> None:
    handles, labels = labelled.get_legend_handles_labels()
    short = [_short(label) for label in labels]
    figure.legend(handles, short, loc="outside upper center", ncols=6, frameon=False)
    _write(figure, path)


def _write(figure: Figure, path: Path) -> None:
    # No date: the same runs give the same bytes.
    metadata = {"CreationDate": None} if path.suffix == ".pdf" else {"Software": None}
    figure.savefig(path, format=path.suffix[1:], metadata=metadata)


def _smooth(x: Array, values: Array) -> tuple[Array, Array]:
    """Average each seed's curve (seeds, points) over WINDOW steps; incomplete ends are dropped."""
    window = min(WINDOW, len(x))
    kernel = np.full(window, 1 / window)
    smooth = np.stack([np.convolve(row, kernel, mode="valid") for row in values])
    return np.convolve(x, kernel, mode="valid"), smooth


def _band(
    axes: Axes, x: Array, values: Array, place: int, label: str, *, seeds: bool = False
) -> None:
    colour, dashes = _STYLES[place % len(_STYLES)]
    mean, low, high = mean_band(values)
    if seeds:
        axes.plot(x, values.T, color=colour, linewidth=0.4, alpha=0.2)
    axes.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)
    axes.plot(x, mean, color=colour, linestyle=dashes, linewidth=1.4, label=label)
