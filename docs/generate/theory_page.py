"""`python docs/generate/theory_page.py outputs`: the figures and tables of docs/theory.md.

Finished runs are first added to data/theory.parquet beside the page. From this file, what was found
is written between the page's markers, one pair for each sweep.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from archive import Archive, Size, command_line, found
from matplotlib.figure import Figure
from numpy.typing import NDArray
from results import around

from subliminal import metrics, store
from subliminal.errors import UserError
from subliminal.report.conditions import Condition, PerSeed, Sweep, paired
from subliminal.report.declared import named_sweeps
from subliminal.report.figures import provenance, style
from subliminal.report.page import Report, header
from subliminal.report.statistics import Estimate, count, mean_ci
from subliminal.report.tables import markdown, teacher_accuracy

Floats = NDArray[np.float64]

RATE, LINEARISED, LINEAR = "theory/rate", "theory/linearised", "theory/linear"
HEADS = 10  # random heads that the law of the linear network is averaged over
CAPTIONS = {
    RATE: "Largest rate at which a step of plain gradient descent on the teacher's outputs lowers "
    "the trait loss, at the first step and then as geometric means over each epoch's measured "
    "steps, and its second-order prediction; left and right students that were trained at two "
    "rates. Bands are 95% CIs over the seeds that have a bound at each moment, faint lines seeds.",
    LINEARISED: "Trait accuracy of full and linearised students by width (left), and their paired "
    "difference (right). Bands are 95% CIs over seeds, faint lines seeds.",
    LINEAR: "Share of the teacher's shift of the class logits that a linear student has made "
    "(left; markers: the law, without a fitted number), and trait accuracy (right), by update, for "
    "m auxiliary logits on w = 64 features. Bands are 95% CIs over seeds.",
}


def write(outputs: Sequence[Path], page: Path, *, replace_all: bool = False) -> list[str]:
    """Write what was found into the page, its figures in `figures/`, its numbers in `data/`.

    Args:
        outputs: folders that hold sweeps' folders; empty: use only the file's runs.
        page: the page's file, with a pair of markers for each sweep.
        replace_all: accept fewer conditions or seeds than the file has.

    Returns:
        A line for each sweep that was kept though it has finished runs.

    Raises:
        UserError: a sweep has no run, or the page no markers.
    """
    data = page.parent / "data" / f"{page.stem}.parquet"
    archive, kept = Archive.read(data), []
    for name in CAPTIONS:
        size = Size(0, 0) if replace_all else archive.size(name)
        archive, left = archive.fold(found([name], outputs), {name: size}, steps=name == RATE)
        kept += left
    known = {name: sweep for name in CAPTIONS if (sweep := archive.sweep(name)) is not None}
    for name in CAPTIONS:
        if name not in known:
            raise UserError(f"{data}: no run of {name}; `make sweep NAME={name}` trains them")
        around(page, *_markers(name))
    archive.write(data)
    parts = {RATE: _rate, LINEARISED: _linearised, LINEAR: _linear}
    drawn = {RATE: rate_figure, LINEARISED: linearised_figure, LINEAR: linear_figure}
    for name, sweep in known.items():
        stem = page.parent / "figures" / name.replace("/", "_")
        stem.parent.mkdir(parents=True, exist_ok=True)
        caption = f"{CAPTIONS[name]} {provenance(sweep)}"
        with style.style():
            style.save(drawn[name](sweep), stem, name, caption, pdf=False)
        report = Report(sweep)
        body = [
            *(f"![{name}](figures/{stem.name}.png)", caption, "**Found.**", *parts[name](sweep)),
            *(
                "<details><summary>Claims of the sweep</summary>",
                markdown(report.tables["Verdicts"]),
            ),
            *(
                "</details>",
                f"`make sweep NAME={name}`: {header(named_sweeps()[name])} {report.made_with}",
            ),
        ]
        store.write_text(page, "\n\n".join(body).join(around(page, *_markers(name))))
    return kept


def _markers(name: str) -> tuple[str, str]:
    short = name.replace("/", " ")
    return f"<!-- {short}: begin -->", f"<!-- {short}: end -->"


def _value(condition: Condition, key: str) -> Any:
    return condition.config[key]


# The largest rate


def _bounds(condition: Condition, metric: str) -> tuple[Floats, Floats]:
    """Return moments in epochs, and log₁₀ of a bound: at the first step, mean of each epoch.

    (moments,) and (seeds, moments), NaN where a seed has no bound.
    """
    steps = condition.steps.filter(pl.col(metrics.RATE_BOUND).is_not_null()).select(
        "seed",
        (pl.col("epoch").floor() + (pl.col("step") > 0)).cast(pl.Int64).alias("part"),
        pl.col(metric).fill_nan(None).log10().alias("log"),
    )
    means = steps.group_by("seed", "part").agg(pl.col("log").mean())
    logs = means.pivot("part", index="seed", values="log").sort("seed")
    parts = sorted(int(name) for name in logs.columns[1:])
    values = logs.select(str(part) for part in parts).to_numpy()
    return np.array([max(0, part - 0.5) for part in parts]), values


def rate_figure(sweep: Sweep) -> Figure:
    """Draw the measured and the predicted bound over training, a panel for each rate."""
    figure, panels = style.new(style.TWO_COLUMNS, len(sweep.conditions))
    for axes, condition in zip(panels, sweep.conditions, strict=True):
        lr = _value(condition, "optim.lr")
        for place, (metric, name) in enumerate(
            {metrics.RATE_BOUND: "measured", metrics.RATE_SECOND: "second order"}.items()
        ):
            x, logs = _bounds(condition, metric)
            whole = ~np.isnan(logs).any(axis=1)
            style.line(axes, x, logs[whole], place, name, faint=0.15)
            if place == 0:
                axes.set_title(f"trained at rate {lr:g}, {count(whole.sum())}")
        style.level(axes, np.log10(lr), "the run's")
        axes.set(xlabel="epoch", ylim=(-1, 3.5))
        axes.set_yticks(range(-1, 4), [f"{10.0**power:g}" for power in range(-1, 4)])
    panels[0].set(ylabel="largest rate")
    style.legend(figure, panels[0])
    return figure


def _power(logs: Floats) -> str:
    """Return 10 to the mean of logarithms over the seeds that have one, with its interval."""
    estimate = mean_ci(logs[~np.isnan(logs)])
    ends = (estimate.mean, estimate.low, estimate.high)
    mean, low, high = (f"{10 ** (end or 0):.3g}" for end in ends)
    return f"{mean} [{low}, {high}], n = {estimate.n}"


def _rate(sweep: Sweep) -> Iterator[str]:
    rows = []
    for condition in sweep.conditions:
        steps = condition.steps.filter(pl.col(metrics.RATE_BOUND).is_not_null())
        bound, lr = steps[metrics.RATE_BOUND], _value(condition, "optim.lr")
        shares = [
            np.mean(bound.is_not_nan().to_numpy()),
            np.mean(bound.drop_nans().to_numpy() > lr),
        ]
        measured, predicted = (
            _bounds(condition, metric)[1] for metric in (metrics.RATE_BOUND, metrics.RATE_SECOND)
        )
        rows.append(
            {
                "rate of the run": f"{lr:g}",
                "measured steps with a positive alignment": f"{shares[0]:.0%}",
                "of these, a bound above the run's rate": f"{shares[1]:.0%}",
                "bound at the first step": _power(measured[:, 0]),
                "its prediction": _power(predicted[:, 0]),
                "bound in the last epoch": _power(measured[:, -1]),
                "its prediction then": _power(predicted[:, -1]),
                "trait accuracy, gain": mean_ci(_gain(condition).values()).format(3, sign=True),
            }
        )
    yield markdown(
        pl.DataFrame(rows).transpose(
            include_header=True, header_name="", column_names="rate of the run"
        )
    )


def _gain(condition: Condition) -> PerSeed:
    """Return each seed's rise of trait accuracy over its start."""
    return paired(condition.accuracy, condition.in_epoch(metrics.TRAIT_ACCURACY, 0))


# The linearised student


def _width(condition: Condition) -> int:
    return int(json.loads(_value(condition, "model.hidden"))[0])


def _pairs(sweep: Sweep) -> list[tuple[Condition, Condition]]:
    """Return the full and the linearised condition of each width, narrow ones first."""
    ordered = sorted(sweep.conditions, key=_width)
    full, lazy = (
        [c for c in ordered if _value(c, "distill.linearised") is linearised]
        for linearised in (False, True)
    )
    return list(zip(full, lazy, strict=True))


def linearised_figure(sweep: Sweep) -> Figure:
    """Draw trait accuracy over width, and the paired difference."""
    figure, (left, right) = style.new(style.TWO_COLUMNS, 2)
    pairs = _pairs(sweep)
    x = np.log2([_width(full) for full, _ in pairs])
    for place, name in enumerate(("full", "linearised")):
        values = np.array([[*pair[place].accuracy.values()] for pair in pairs]).T
        style.line(left, x, values, place, name, faint=0.15)
    gaps = np.array([[*paired(lazy.accuracy, full.accuracy).values()] for full, lazy in pairs]).T
    style.line(right, x, gaps, 2, "linearised − full", faint=0.15)
    right.axhline(0, color=style.GREY, linewidth=0.8)
    style.level(left, sweep.baseline.chance, "chance")
    for axes in (left, right):
        axes.set_xticks(x, [f"{2**value:.0f}" for value in x])
        axes.set(xlabel="width of both hidden layers")
    left.set(ylabel="trait accuracy", ylim=(0, 1.02))
    right.set(ylabel="linearised − full")
    style.legend(figure, left)
    return figure


def _linearised(sweep: Sweep) -> Iterator[str]:
    rows, gaps = [], []
    for full, lazy in _pairs(sweep):
        gaps.append(paired(lazy.accuracy, full.accuracy))
        gains = np.array([[*_gain(condition).values()] for condition in (lazy, full)])
        rows.append(
            {
                "width": f"{_width(full)}",
                "teacher": teacher_accuracy([full]).format(3),
                "full": mean_ci(full.accuracy.values()).format(3),
                "linearised": mean_ci(lazy.accuracy.values()).format(3),
                "linearised − full": mean_ci(gaps[-1].values()).format(3, sign=True),
                "share of the full gain": _share(gains),
                "distillation loss × 10⁴, full": mean_ci(full.loss.values()).format(2),
                "linearised ": mean_ci(lazy.loss.values()).format(2),
            }
        )
    yield markdown(pl.DataFrame(rows))
    change = mean_ci(paired(gaps[-1], gaps[0]).values())
    yield (
        f"From width {rows[0]['width']} to {rows[-1]['width']} the difference of linearised and "
        f"full changes by {change.format(3, sign=True).replace('-', '−')}, paired by seed."
    )


def _share(gains: Floats) -> str:
    """Return the ratio of two mean gains (2, seeds), with its percentile bootstrap 95% interval."""
    seeds = np.random.default_rng(0).integers(gains.shape[1], size=(9999, gains.shape[1]))
    ours, theirs = gains[:, seeds].mean(axis=2)  # (resamples,) each
    low, high = np.quantile(ours / theirs, [0.025, 0.975])
    mean = gains[0].mean() / gains[1].mean()
    return f"{mean:.2f} [{low:.2f}, {high:.2f}]"


# The linear network


def share_made(width: int, aux: int, rate: float, images: int, updates: Sequence[int]) -> Floats:
    """Return ρ(k) of the page at some numbers of updates, for random heads and uniform images.

    The eigenvalues are those of drawn matrices; no run is read.
    """
    generator = np.random.default_rng(0)
    x = np.ones((images, 785))
    x[:, :-1] = generator.uniform(-1, 1, (images, 784))
    s = np.linalg.eigvalsh(x.T @ x / images)
    heads = generator.normal(size=(HEADS, aux, width)) / np.sqrt(width)
    a = np.linalg.eigvalsh(heads.transpose(0, 2, 1) @ heads).clip(min=0).ravel()
    left = np.log(np.abs(1 - 2 * rate / aux * np.outer(a, s)).clip(min=1e-300))
    return np.array([1 - np.exp(k * left).mean() for k in updates])


def _law(condition: Condition, updates: Sequence[int]) -> Floats:
    keys = ("model.aux", "optim.lr", "distill.inputs.size")
    aux, rate, images = (_value(condition, key) for key in keys)
    return share_made(_width(condition), aux, rate, images, updates)


def linear_figure(sweep: Sweep) -> Figure:
    """Draw the share of the teacher's shift and the trait accuracy over updates, for each m."""
    figure, (left, right) = style.new(style.TWO_COLUMNS, 2)
    for place, condition in enumerate(sweep.conditions):
        name = f"m = {condition.config['model.aux']}"
        for axes, metric in ((left, metrics.TRAIT_SHIFT), (right, metrics.TRAIT_ACCURACY)):
            x, values = condition.curve(metric, "epochs")
            style.line(axes, x[1:], values[:, 1:], place, name, faint=0)
        marked = [1, 2, 5, 10, 20, 50, 100]  # updates
        colour, marker = style.colour(place), style.marker(place)
        left.plot(marked, _law(condition, marked), marker, color=colour, markersize=4)
    for axes in (left, right):
        axes.set(xlabel="updates", xscale="log")
    left.set(ylabel="share of the teacher's shift", yscale="log")
    left.set_yticks([0.02, 0.05, 0.1, 0.2, 0.5], ["0.02", "0.05", "0.1", "0.2", "0.5"])
    left.set_yticks([], minor=True)
    right.set(ylabel="trait accuracy", ylim=(0, 1.02))
    style.level(right, teacher_accuracy(sweep.conditions).mean, "teacher")
    style.level(right, sweep.baseline.chance, "chance")
    style.legend(figure, left)
    return figure


def _linear(sweep: Sweep) -> Iterator[str]:
    rows = []
    for condition in sweep.conditions:
        x, shares = condition.curve(metrics.TRAIT_SHIFT, "epochs")
        first, last = _law(condition, [1, int(x[-1])])
        aux, width = _value(condition, "model.aux"), _width(condition)
        measured: list[Estimate] = [mean_ci(shares[:, place]) for place in (1, -1)]
        rows.append(
            {
                "m": f"{aux}",
                "share after one update": measured[0].format(4),
                "by the law": f"{first:.4f}",
                f"share after {x[-1]:.0f}": measured[1].format(3),
                "by the law ": f"{last:.3f}",
                "at the end of time": f"{min(aux, width) / width:.4f}",
                "trait accuracy": mean_ci(condition.accuracy.values()).format(3),
                "gain": mean_ci(_gain(condition).values()).format(3, sign=True),
            }
        )
    yield markdown(pl.DataFrame(rows))


if __name__ == "__main__":
    command_line("theory", write, __doc__)
