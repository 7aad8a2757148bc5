"""Whether alignment tells, across conditions, which student acquires the trait."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from subliminal import metrics
from subliminal.report.claim import PerSeed, accuracy, epoch_value
from subliminal.report.figures import style
from subliminal.report.runs import CHANCE, Condition, Sweep
from subliminal.statistics import mean_ci, rank_correlation

FEWEST = 5  # conditions of which a rank correlation says anything

# What might tell: a value of each seed, of conditions in whose epochs the metric is.
PREDICTORS: Mapping[str, tuple[str, Callable[[Condition], PerSeed]]] = {
    "alignment, mean over the run": (
        metrics.ALIGNMENT,
        lambda condition: condition.over_run(metrics.ALIGNMENT),
    ),
    "alignment in epoch 1": (
        metrics.ALIGNMENT,
        lambda condition: epoch_value(condition, metrics.ALIGNMENT, 1),
    ),
    "displacement at the end, cos(θ_S − θ₀, θ_T − θ₀)": (
        metrics.DISPLACEMENT,
        lambda condition: condition.final(metrics.DISPLACEMENT),
    ),
}


def distinct(sweeps: Sequence[Sweep]) -> list[Condition]:
    """Return all conditions, each once: sweeps may share some."""
    return list({c.directory.name[-8:]: c for sweep in sweeps for c in sweep.conditions}.values())


def table(groups: Mapping[str, Sequence[Sweep]]) -> pl.DataFrame:
    """Return Spearman's ρ of each predictor and the final trait accuracy, a row per group.

    Groups with fewer than FEWEST conditions that were measured have no row.
    """
    rows = []
    for name, sweeps in groups.items():
        of = [c for c in distinct(sweeps) if c.logged(metrics.ALIGNMENT)]
        row = {"conditions of": name, "number": str(len(of))}
        for title, (metric, value) in PREDICTORS.items():
            pairs = [_pair(value(c), accuracy(c)) for c in of if metric in c.epochs.columns]
            if len(pairs) >= FEWEST:
                rho, low, high = rank_correlation([x for x, _ in pairs], [y for _, y in pairs])
                row[title] = f"{rho:+.2f} [{low:+.2f}, {high:+.2f}]"
        if len(row) > 2:
            rows.append(row)
    return pl.DataFrame(rows, infer_schema_length=None).fill_null("") if rows else pl.DataFrame()


def _pair(x: PerSeed, y: PerSeed) -> tuple[list[float], list[float]]:
    seeds = sorted(x.keys() & y.keys())
    return [x[seed] for seed in seeds], [y[seed] for seed in seeds]


def scatter(groups: Mapping[str, Sequence[Sweep]]) -> Figure:
    """Draw final trait accuracy over mean alignment, a point per condition with 95% CIs."""
    figure, (axes,) = style.new((style.TWO_COLUMNS[0], 3.6))
    drawn = {
        name: [c for c in distinct(sweeps) if c.logged(metrics.ALIGNMENT)]
        for name, sweeps in groups.items()
    }
    for place, (name, of) in enumerate((n, of) for n, of in drawn.items() if of):
        estimates = [
            (
                mean_ci(list(c.over_run(metrics.ALIGNMENT).values())),
                mean_ci(list(accuracy(c).values())),
            )
            for c in of
        ]
        x, y = (np.array([pair[side].mean for pair in estimates]) for side in (0, 1))
        bars = [
            np.array(
                [
                    (e.mean - (e.low or e.mean), (e.high or e.mean) - e.mean)
                    for e in (pair[side] for pair in estimates)
                ]
            ).T
            for side in (0, 1)
        ]
        axes.errorbar(
            x,
            y,
            xerr=bars[0],
            yerr=bars[1],
            fmt=style.MARKERS[place % len(style.MARKERS)],
            color=style.COLOURS[place % len(style.COLOURS)],
            markersize=4,
            linewidth=0.6,
            alpha=0.8,
            label=name,
        )
    style.level(axes, CHANCE, "chance")
    axes.axvline(0, color=style.GREY, linewidth=0.8)
    # Most conditions lie within ±0.02, and some at a third: linear up to 0.02, then logarithmic.
    ticks = [-0.01, 0, 0.005, 0.01, 0.02, 0.1, 0.3]
    axes.set_xscale("symlog", linthresh=0.02, linscale=2)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set(xlabel="alignment, mean over the run", ylabel="final trait accuracy", ylim=(0, 1.02))
    style.legend(figure, axes)
    return figure
