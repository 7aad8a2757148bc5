"""Rank correlation, over conditions, of alignment and the trait that is acquired."""

import warnings
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from scipy.stats import ConstantInputWarning, pearsonr, rankdata

from subliminal.report.figures import style
from subliminal.report.statistics import BAND_RESAMPLES, CONFIDENCE, Floats, mean_ci

FEWEST = 5  # conditions that a rank correlation needs
CHANCE = 0.1  # accuracy of a guess among ten digits

# Measurements by their column of archive.RUNS.
PREDICTORS: Mapping[str, str] = {
    "alignment": "alignment, mean over the run",
    "alignment_epoch_1": "alignment in epoch 1",
    "displacement": "displacement at the end, cos(θ_S − θ₀, θ_T − θ₀)",
}


def table(groups: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Return Spearman's ρ of each predictor and the final trait accuracy, a row per group.

    A condition that several sweeps share counts once. Groups with fewer than FEWEST measured
    conditions have no row.

    Args:
        groups: runs whose alignment was measured, with columns of archive.RUNS.
    """
    rows = []
    for name, measured in groups.items():
        row = {"conditions of": name, "number": str(measured["config"].n_unique())}
        for column, title in PREDICTORS.items():
            of = list(_conditions(measured.drop_nulls(column)))
            if len(of) >= FEWEST:
                rho, low, high = rank_correlation(
                    [c[column].to_list() for c in of], [c["accuracy"].to_list() for c in of]
                )
                row[title] = f"{rho:+.2f} [{low:+.2f}, {high:+.2f}]"
        if len(row) > 2:
            rows.append(row)
    return pl.DataFrame(rows, infer_schema_length=None).fill_null("") if rows else pl.DataFrame()


def _conditions(measured: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Yield each condition's runs, in order of their first row, each seed once."""
    once = measured.unique(["config", "seed"], keep="first", maintain_order=True)
    yield from once.partition_by("config", maintain_order=True)


def rank_correlation(
    x: Sequence[Sequence[float]], y: Sequence[Sequence[float]]
) -> tuple[float, float, float]:
    """Return Spearman's ρ of the groups' means, with a 95% percentile bootstrap interval.

    Groups (conditions) are resampled, and the members (seeds) of each, which x and y share: the
    interval covers which conditions were chosen, and which seeds.

    Args:
        x: each group's values, one per member.
        y: each group's other values, of the same members.

    Returns:
        ρ, low, high; NaN if all means are equal.
    """
    groups = [np.stack([a, b]) for a, b in zip(x, y, strict=True)]  # each (2, members)
    rho = float(_spearman(np.array([group.mean(axis=1) for group in groups])))
    if np.isnan(rho):
        return rho, rho, rho
    generator = np.random.default_rng(0)
    resampled = []
    for group in groups:  # (resamples, 2) means of resampled members, of each group
        members = generator.integers(group.shape[1], size=(BAND_RESAMPLES, group.shape[1]))
        resampled.append(group[:, members].mean(axis=2).T)
    of_group = np.stack(resampled, axis=1)  # (resamples, groups, 2)
    chosen = generator.integers(len(groups), size=of_group.shape[:2])
    rhos = _spearman(np.take_along_axis(of_group, chosen[:, :, None], axis=1))
    low, high = np.nanquantile(rhos, ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
    return rho, float(low), float(high)


def _spearman(pairs: Floats) -> Floats:
    """Return the correlation of the two columns' ranks, (…, n, 2) -> (…,); NaN of a constant."""
    ranks = rankdata(pairs, axis=-2)
    with warnings.catch_warnings(category=ConstantInputWarning, action="ignore"):
        rho: Floats = pearsonr(ranks[..., 0], ranks[..., 1], axis=-1).statistic
    return rho


def scatter(groups: Mapping[str, pl.DataFrame]) -> Figure:
    """Draw final trait accuracy over mean alignment, a point per condition with 95% CIs."""
    figure, (axes,) = style.new((style.TWO_COLUMNS[0], 3.6))
    for place, (name, measured) in enumerate((n, m) for n, m in groups.items() if m.height):
        estimates = [
            [mean_ci(condition[column].to_list()) for condition in _conditions(measured)]
            for column in ("alignment", "accuracy")
        ]
        x, y = (np.array([e.mean for e in of]) for of in estimates)
        bars = [np.transpose([e.error_bar for e in of]) for of in estimates]
        axes.errorbar(
            x,
            y,
            xerr=bars[0],
            yerr=bars[1],
            fmt=style.marker(place),
            color=style.colour(place),
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
