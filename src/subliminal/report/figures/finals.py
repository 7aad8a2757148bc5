"""Figures of how training ended: accuracy, its cost, paired differences, dose-response."""

from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from subliminal.report import varied
from subliminal.report.conditions import Condition, Sweep
from subliminal.report.figures import style
from subliminal.report.statistics import mean_ci
from subliminal.report.tables import initial_accuracy, teacher_accuracy


def accuracy(sweep: Sweep) -> Figure:
    """Draw each condition's final trait accuracy, seeds as dots, between chance and teacher."""
    shown = sweep.few(style.MOST_ROWS)
    values = [list(condition.accuracy.values()) for condition in shown]
    figure, axes = style.seed_rows(shown, values, baseline=True)
    style.level(axes, initial_accuracy(sweep.conditions).mean, "initial", vertical=True)
    style.level(axes, teacher_accuracy(sweep.conditions).mean, "teacher", vertical=True)
    axes.axvline(sweep.baseline.chance, color=style.GREY, linewidth=0.8)
    axes.set(xlabel="trait accuracy (solid line: chance)", xlim=(0, 1))
    return figure


def paired(sweep: Sweep) -> Figure:
    """Draw each seed's difference of trait accuracy to the baseline, with mean and CI."""
    comparable = [c for c in sweep.conditions[1:] if c.differences(sweep.baseline)]
    comparison = replace(sweep, conditions=[sweep.baseline, *comparable])
    shown = comparison.few(style.MOST_ROWS)[1:]
    figure, axes = style.seed_rows(shown, [c.differences(sweep.baseline) for c in shown])
    axes.axvline(0, color=style.GREY, linewidth=0.8)
    baseline = style.plain(sweep.baseline.name)
    axes.set(xlabel=f"trait accuracy − {baseline}, same seed")
    return figure


def frontier(sweep: Sweep) -> Figure:
    """Draw trait accuracy against distillation loss, with 95% CIs of both.

    Among many conditions, those that differ only in one swept number are joined in its order.
    """
    figure, (axes,) = style.new((style.ONE_COLUMN[0] * 1.3, style.ONE_COLUMN[1] * 1.1))
    many = len(sweep.conditions) > style.MOST_LINES
    keys = doses(sweep)
    joined = _series(sweep, keys[0]) if many and keys else {}
    if len(joined) > style.MOST_LINES:
        joined = {}
    for place, (name, members) in enumerate(joined.items()):
        marker, colour = style.marker(place), style.colour(place)
        points = [_point(axes, condition, marker, colour, None) for condition in members]
        x, y = zip(*points, strict=True)
        axes.plot(x, y, f"{marker}-", color=colour, ms=5, label=style.plain(name))
    for place, condition in enumerate(() if joined else sweep.conditions):
        baseline = condition is sweep.baseline
        colour = style.colour((0 if baseline else 1) if many else place)
        marker = "o" if many else style.marker(place)
        faint = 0.4 if many and not baseline else 1.0
        _point(axes, condition, marker, colour, style.plain(condition.name), alpha=faint)
    style.level(axes, sweep.baseline.chance, "chance")
    axes.set(xlabel="distillation loss ×10⁴, last epoch", ylabel="trait accuracy")
    axes.set_ylim(bottom=0)
    if joined or (len(sweep.conditions) > 1 and not many):
        style.legend(figure, axes)
    return figure


def _point(
    axes: Axes, condition: Condition, marker: str, colour: str, label: str | None, alpha: float = 1
) -> tuple[float, float]:
    """Draw a condition's mean distillation loss and trait accuracy; return them."""
    loss, trait = mean_ci(condition.loss.values()), mean_ci(condition.accuracy.values())
    x_bar, y_bar = (np.transpose([e.error_bar]) for e in (loss, trait))
    size = 5 if alpha == 1 else 3
    how: dict[str, Any] = {"color": colour, "alpha": alpha, "markersize": size, "linewidth": 0.9}
    axes.errorbar(loss.mean, trait.mean, y_bar, x_bar, marker, label=label, **how)
    return loss.mean, trait.mean


def heatmap(sweep: Sweep) -> Figure:
    """Draw mean final trait accuracy over two swept numbers, a cell for each pair of values."""
    keys = sweep.plane
    xs, ys = (sorted({_dose(c, key) for c in sweep.conditions}) for key in keys)
    grid = np.full((len(ys), len(xs)), np.nan)
    for c in sweep.conditions:
        x, y = (_dose(c, key) for key in keys)
        grid[ys.index(y), xs.index(x)] = mean_ci(c.accuracy.values()).mean
    figure, (axes,) = style.new((1.8 + 0.5 * len(xs), 1.0 + style.ROW * len(ys)))
    image = axes.imshow(grid, cmap="cividis", aspect="auto", origin="lower")
    dark = grid < np.nanmin(grid) + 0.5 * np.nanmax(grid - np.nanmin(grid))
    style.write_cells(axes, grid, ".3f", dark)
    axes.set_xticks(range(len(xs)), [f"{x:g}" for x in xs])
    axes.set_yticks(range(len(ys)), [f"{y:g}" for y in ys])
    axes.set(xlabel=style.plain(keys[0]), ylabel=style.plain(keys[1]))
    figure.colorbar(image, ax=axes, label="trait accuracy")
    return figure


def doses(sweep: Sweep) -> list[str]:
    """Return the keys that were swept as numbers."""
    return [key for key, values in sweep.swept.items() if varied.numbers(values)]


def _dose(condition: Condition, key: str) -> float:
    return float(condition.config[key] or 0)


def _series(sweep: Sweep, key: str) -> dict[str, list[Condition]]:
    """Group the conditions by the other swept keys; sort each group by the number `key`.

    A number that goes with it, as `pair: …` of a sweep has it, makes no group.
    """
    pairs = {
        other: {(c.config.get(key), c.config.get(other)) for c in sweep.conditions}
        for other in doses(sweep)
        if other != key
    }
    together = {other for other, found in pairs.items() if len(found) == len(dict(found))}
    others = [other for other in sweep.swept if other not in {key, *together}]
    series: dict[str, list[Condition]] = {}
    for condition in sweep.conditions:
        if key in condition.config:
            series.setdefault(varied.label(condition.config, others), []).append(condition)
    return {name: sorted(of, key=lambda c: _dose(c, key)) for name, of in series.items()}


def dose_response(sweep: Sweep, key: str) -> Figure:
    """Draw final trait accuracy over a swept number, a line for each value of the other keys."""
    series = _series(sweep, key)
    figure, (axes,) = style.new((style.ONE_COLUMN[0] * 1.3, style.ONE_COLUMN[1] * 1.1))
    doses = []
    for place, (name, members) in enumerate(list(series.items())[: style.MOST_LINES]):
        x = [_dose(condition, key) for condition in members]
        doses += x
        estimates = [mean_ci(condition.accuracy.values()) for condition in members]
        colour, marker = style.colour(place), style.marker(place)
        for dose, condition in zip(x, members, strict=True):
            values = list(condition.accuracy.values())
            axes.plot([dose] * len(values), values, ".", color=colour, markersize=2, alpha=0.3)
        means, bars = [e.mean for e in estimates], np.transpose([e.error_bar for e in estimates])
        label = style.plain(name)
        axes.errorbar(x, means, bars, marker=marker, color=colour, linewidth=1.2, ms=4, label=label)
    positive = [dose for dose in doses if dose > 0]
    if positive and max(positive) / min(positive) >= 30:
        linear: dict[str, Any] = {"value": "symlog", "linthresh": min(positive)}
        axes.set_xscale(**(linear if min(doses) <= 0 else {"value": "log"}))
    _chance(axes, sweep, key)
    axes.set(xlabel=style.plain(key), ylabel="trait accuracy", ylim=(0, 1.02))
    if len(series) > 1:
        style.legend(figure, axes)
    return figure


def _chance(axes: Axes, sweep: Sweep, key: str) -> None:
    """Draw the accuracy of a guess: a level, or a line where it varies with the dose."""
    found = sorted({(_dose(c, key), c.chance) for c in sweep.conditions if key in c.config})
    if len({chance for _, chance in found}) == 1:
        style.level(axes, found[0][1], "chance")
    else:
        axes.plot(*zip(*found, strict=True), ":", color=style.GREY, linewidth=0.8, label="chance")
        end = found[-1]
        axes.annotate("chance", end, (4, 0), textcoords="offset points", fontsize=7, va="center")
