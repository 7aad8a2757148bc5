"""The demo's figure: teacher, students and chance, a bar each."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from subliminal.report import varied
from subliminal.report.conditions import Condition, Sweep
from subliminal.report.figures import style
from subliminal.report.statistics import count, mean_ci
from subliminal.report.tables import teacher_accuracies

INIT = "distill.init"
_STARTS = {
    "shared": "student from\nits teacher's start",
    "independent": "student from\nanother start",
}
_NOISE = {"uniform", "normal", "perlin"}
WIDTH = 1.15  # inches per bar


def bars(sweep: Sweep) -> Figure:
    """Draw the test accuracy of teacher and students, each seed a dot, and chance."""
    shown = sweep.few(style.MOST_LINES)
    figure, (axes,) = style.new((1.0 + WIDTH * (len(shown) + 2), 3.4))
    names = ["teacher"]
    _bar(axes, 0, list(teacher_accuracies(sweep.conditions).values()), style.GREY)
    for place, condition in enumerate(shown, start=1):
        accuracies = list(condition.accuracy.values())
        _bar(axes, place, accuracies, style.COLOURS[1 + (place - 1) % (len(style.COLOURS) - 1)])
        names.append(_name(condition, sweep))
    _bar(axes, len(names), [sweep.baseline.chance], "#cccccc")
    axes.set_xticks(range(len(names) + 1), [*names, "chance"])
    axes.tick_params(axis="x", length=0)
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.set(ylabel="accuracy on the test digits", ylim=(0, 1.02), xlim=(-0.6, len(names) + 0.6))
    if all(condition.config.get("distill.inputs") in _NOISE for condition in shown):
        axes.set_title("Students that saw noise, and never a digit", loc="left", fontsize=10)
    seeds = max(len(condition.seeds) for condition in shown)
    axes.set_title(count(seeds), loc="right", fontsize=7, color="#555555")
    return figure


def seen(sweep: Sweep) -> str:
    """Return a sentence on the accuracies that the figure shows."""
    shown = [(_name(c, sweep), mean_ci(c.accuracy.values()).mean) for c in sweep.conditions]
    parts = [f"{name}: {mean:.0%}" for name, mean in (*shown, ("chance", sweep.baseline.chance))]
    text = f"Test digits read, {', '.join(parts)}; {count(len(sweep.baseline.seeds))}."
    return text.replace("\n", " ")


def _bar(axes: Axes, place: int, values: Sequence[float], colour: str) -> None:
    """Draw a bar with its number above it, its seeds and their interval."""
    estimate = mean_ci(values)
    axes.bar(place, estimate.mean, width=0.62, color=colour, alpha=0.85, linewidth=0)
    top = estimate.mean
    if estimate.low is not None and estimate.high is not None:
        axes.plot([place, place], [estimate.low, estimate.high], color="#000000", linewidth=1.4)
        spread = [place + 0.07 * (1 + k % 3) for k in range(len(values))]
        axes.plot(spread, values, "o", color="#000000", markersize=2.5, alpha=0.6, linewidth=0)
        top = max(estimate.high, *values)
    text = f"{estimate.mean:.0%}"
    axes.annotate(text, (place, top), (0, 3), textcoords="offset points", ha="center", fontsize=9)


def _name(condition: Condition, sweep: Sweep) -> str:
    """Name a student: in words if students differ only in their start, else by its values."""
    start = str(condition.config.get(INIT))
    if not set(sweep.swept) - {INIT} and start in _STARTS:
        return _STARTS[start]
    return "student\n" + style.plain(varied.label(condition.config, [*sweep.swept]))
