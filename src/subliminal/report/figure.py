"""The main figure: alignment and trait accuracy over training, by condition."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from subliminal import metrics
from subliminal.report.runs import Condition
from subliminal.statistics import mean_band

CHANCE = 0.1
WINDOW = 15  # steps of the centred moving average of the alignment
TWO_COLUMNS = (7.0, 2.9)  # inches

# Okabe & Ito's colours, told apart by the colour-blind; the dashes tell them apart in grey.
_STYLES = [
    ("#000000", "-"),
    ("#0072B2", "--"),
    ("#D55E00", "-."),
    ("#009E73", ":"),
    ("#CC79A7", (0, (5, 1))),
    ("#E69F00", (0, (3, 1, 1, 1))),
    ("#56B4E9", (0, (1, 1))),
    ("#999999", (0, (8, 2))),
]


def main_figure(conditions: list[Condition], teacher: float, path: Path) -> None:
    """Draw the figure to `path` (.png or .pdf); the same runs give the same bytes."""
    with mpl.rc_context({"font.size": 8, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=TWO_COLUMNS, dpi=200, layout="constrained")
        left, right = figure.subplots(1, 2)
        for condition, (colour, dashes) in zip(conditions, _cycle(len(conditions)), strict=True):
            if metrics.ALIGNMENT in condition.steps.columns:
                x, values = condition.curve(condition.steps, metrics.ALIGNMENT)
                _band(left, *_smooth(x, values), colour, dashes, condition.name)
            x, values = condition.curve(condition.epochs, metrics.TRAIT_ACCURACY)
            _band(right, x, values, colour, dashes, condition.name, seeds=True)
        left.axhline(0, color="#777777", linewidth=0.8)
        left.set(xlabel="epoch", ylabel="alignment cos(g_D, g_T)")
        for label, level, below in (("chance", CHANCE, True), ("teacher", teacher, False)):
            right.axhline(level, color="#777777", linewidth=0.8, linestyle=":")
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
        handles, labels = right.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=4, frameon=False)
        date = {"CreationDate": None} if path.suffix == ".pdf" else {"Software": None}
        figure.savefig(path, format=path.suffix[1:], metadata=date)


def _cycle(number: int) -> list[tuple[str, object]]:
    return [_STYLES[i % len(_STYLES)] for i in range(number)]


def _smooth(
    x: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Average each seed's curve over WINDOW steps, dropping the incomplete ends."""
    window = min(WINDOW, len(x))
    kernel = np.full(window, 1 / window)
    smooth = np.stack([np.convolve(row, kernel, mode="valid") for row in values])
    return np.convolve(x, kernel, mode="valid"), smooth


def _band(
    axes: Axes,
    x: NDArray[np.float64],
    values: NDArray[np.float64],
    colour: str,
    dashes: object,
    label: str,
    *,
    seeds: bool = False,
) -> None:
    mean, low, high = mean_band(values)
    if seeds:
        axes.plot(x, values.T, color=colour, linewidth=0.4, alpha=0.2)
    axes.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)
    axes.plot(x, mean, color=colour, linestyle=dashes, linewidth=1.4, label=label)
