"""Figures over training: alignment and trait accuracy, the ledger, alignment by layer."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from subliminal import metrics
from subliminal.report.conditions import LAYER, Array, Condition, Sweep
from subliminal.report.figures import style
from subliminal.report.tables import teacher_accuracy

MOST_LAYER_PANELS = 4


def training(sweep: Sweep) -> Figure:
    """Draw alignment (left) and trait accuracy (right) over epochs."""
    figure, (left, right) = style.new(style.TWO_COLUMNS, 2)
    shown = dict(enumerate(sweep.few(style.MOST_LINES)))
    style.zoom(left, _lines(left, shown, "steps", metrics.ALIGNMENT))
    _lines(right, shown, "epochs", metrics.TRAIT_ACCURACY)
    left.axhline(0, color=style.GREY, linewidth=0.8)
    left.set(xlabel="epoch", ylabel="alignment cos(g_D, g_T)")
    style.level(right, sweep.baseline.chance, "chance")
    style.level(right, teacher_accuracy(sweep.conditions).mean, "teacher")
    right.set(xlabel="epoch", ylabel="trait accuracy", ylim=(0, 1.02))
    if len(shown) > 1:
        style.legend(figure, right)
    return figure


def ledger(sweep: Sweep) -> Figure:
    """Draw the applied updates' alignment (left) and the ledger's running sums (right)."""
    figure, (left, right) = style.new(style.TWO_COLUMNS, 2)
    few = enumerate(sweep.few(style.MOST_LINES))
    shown = {place: c for place, c in few if c.logged(metrics.LEDGER_ACTUAL)}
    style.zoom(left, _lines(left, shown, "steps", metrics.UPDATE_ALIGNMENT))
    for place, condition in shown.items():
        x, actual = condition.curve(metrics.total(metrics.LEDGER_ACTUAL))
        style.line(right, x, actual, place, condition.name, faint=0)
        x, predicted = condition.curve(metrics.total(metrics.LEDGER_PREDICTED))
        marks = slice(len(x) // 16, None, max(1, len(x) // 8))
        colour, marker = style.colour(place), style.marker(place)
        right.plot(x[marks], predicted.mean(axis=0)[marks], marker, color=colour, markersize=3)
    for axes in (left, right):
        axes.axhline(0, color=style.GREY, linewidth=0.8)
        axes.set(xlabel="epoch")
    left.set(ylabel="update alignment cos(−Δθ, g_T)")
    right.set(ylabel="change of the trait loss (nats)")
    if max(map(abs, right.get_ylim())) > 1:
        right.set_yscale("symlog", linthresh=1)
        right.yaxis.set_major_locator(FixedLocator([-10, -3, -1, -0.5, 0, 0.5, 1, 3, 10, 30, 100]))
        right.yaxis.set_major_formatter("{x:g}")
    style.legend(figure, right)
    return figure


def _lines(axes: Axes, shown: dict[int, Condition], table: str, metric: str) -> list[Array]:
    """Draw each condition's curve in its own colour; return the means over seeds."""
    means = []
    faint = min(0.2, 8 / sum(len(condition.seeds) for condition in shown.values()))
    for place, condition in shown.items():
        if condition.measured(metric, table):
            x, values = condition.curve(metric, table)
            style.line(axes, x, values, place, condition.name, faint=faint)
            means.append(values.mean(axis=0))
    return means


def layers(sweep: Sweep) -> Figure:
    """Draw the mean alignment within each parameter tensor, epoch by epoch, as heat maps."""
    tables = {c.name: c.layers() for c in sweep.few(style.MOST_LINES)}
    shown = [name for name, table in tables.items() if table.width > 1][:MOST_LAYER_PANELS]
    layer_columns = tables[shown[0]].columns[1:]
    names = [style.plain(column.removeprefix(LAYER)) for column in layer_columns]
    # each (layers, epochs)
    grids = [tables[name].select(layer_columns).to_numpy().T for name in shown]
    bound = max(float(np.abs(grid).max()) for grid in grids) or 1.0
    figure, panels = style.new((style.TWO_COLUMNS[0], 0.9 + style.ROW * len(names)), len(shown))
    for axes, condition, grid in zip(panels, shown, grids, strict=True):
        # Red and blue look alike in grey print: the numbers show the sign.
        image = axes.imshow(grid, cmap="RdBu_r", vmin=-bound, vmax=bound, aspect="auto")
        style.write_cells(axes, 1000 * grid, "+z.0f", np.abs(grid) > 0.6 * bound)
        axes.set(title=style.plain(condition), xlabel="epoch")
        axes.set_xticks(range(grid.shape[1]), [str(1 + epoch) for epoch in range(grid.shape[1])])
        axes.set_yticks(range(len(names)), names if axes is panels[0] else [""] * len(names))
        axes.title.set_fontsize(8)
    figure.colorbar(image, ax=panels, label="alignment", fraction=0.03)
    return figure
