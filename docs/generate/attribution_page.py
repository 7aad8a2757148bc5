"""`python docs/generate/attribution_page.py outputs`: the results of docs/attribution.md.

Finished runs are first added to data/attribution.parquet beside the page, and how well scores
predict the students of halves to data/attribution_scores.csv. From these files, the results and
their figures are written between the page's markers; the figure of single images needs the run.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from archive import Archive, Size, command_line, found
from matplotlib.figure import Figure
from results import around

from subliminal import metrics, store
from subliminal.errors import UserError
from subliminal.report import varied
from subliminal.report.conditions import Condition, Sweep
from subliminal.report.figures import provenance, style
from subliminal.report.page import Report
from subliminal.report.read import load
from subliminal.report.statistics import Estimate, datamodel_score, mean_ci, threshold
from subliminal.report.tables import markdown
from subliminal.tensors import draws, streams

PREFIX = "attribution/"
MARKERS = ("<!-- attribution: begin -->", "<!-- attribution: end -->")
SETTINGS = {"digits": "", "language": "language_"}  # title: what its sweeps' names begin with
SCORES = ("product", "cosine", "norm", "loss", "gap", "distance", "total")
BLIND = ("norm", "loss", "distance")
TARGETS, SHARE, DROP = "distill.targets", "distill.targets.share", "distill.targets.drop"
SCORE, END = "distill.targets.score", "distill.targets.end"
Traits = dict[int, float]  # by epoch
LEAST = 0.05  # of the whole's trait over the null's, for a fit
IMAGES = 10  # at each end of a score
SHOWN = {"again": "the same halves, in another order"}
LDS = (
    "Spearman's ρ, over students of random halves, of their trait with the sum of the scores of "
    "their examples; in brackets the 95% interval. Columns are moments at which the scores were "
    "taken, of the student that was taught all; the trait is that after the last epoch, unless its "
    "epoch is named. “The same halves, in another order” is ρ of two students' traits who were "
    "taught the same half: no score can be expected to do much better than its square root. Random "
    "directions have the covariance of the examples' gradients."
)
FILTERS = (
    "Each cell is the trait accuracy less that of a random drop of the same size, paired over "
    "seeds, with its 95% interval. Scores are those at θ₀; all students make as many updates."
)
FILTERED = (
    "Trait accuracy over the share of examples dropped: mean and 95% CI; open symbols: the lowest "
    "scores are dropped, filled ones: the highest."
)
DOSED = (
    "Trait accuracy over the share of examples that the teacher answers: the rest answered by a "
    "displaced model (diluted), or not taught (alone); mean and 95% CI. Updates are as many."
)
FITTED = (
    "Logistic in log share (`subliminal.report.statistics.threshold`) of the trait, less that "
    "without any share, over that of share 1; fitted to each seed in which this is more than "
    "0.05, mean and 95% interval over seeds (of the midpoint in log). The last column is the fit, "
    "at the same shares, of a trait in proportion to the share: a threshold is a steeper slope."
)
ENDS = "Scores of the images at θ₀: a histogram, the ten images with the lowest and the highest."


def write(outputs: Sequence[Path], page: Path, *, replace_all: bool = False) -> list[str]:
    """Write the page's results, its figures in `figures/` beside it, its numbers in `data/`.

    Args:
        outputs: folders that hold sweeps' folders; empty: use only the files in `data/`.
        page: the page's file, with MARKERS.
        replace_all: accept fewer conditions or seeds than the files have.

    Returns:
        A line for each sweep that was kept though it has finished runs.
    """
    data, figures = page.parent / "data" / f"{page.stem}.parquet", page.parent / "figures"
    names = [f"{PREFIX}{of}{kind}" for of in SETTINGS.values() for kind in ("dose", "filters")]
    names += [f"{PREFIX}thresholds"]
    archive = Archive.read(data)
    sizes = {name: Size(0, 0) if replace_all else archive.size(name) for name in names}
    new = {name: _whole(sweep) for name, sweep in found(names, outputs).items()}
    archive, kept = archive.fold(new, sizes, steps=False)
    archive.write(data)
    scores = data.with_name(f"{page.stem}_scores.csv")
    for folder in outputs:
        tables = [_scored(folder / PREFIX, *of) for of in SETTINGS.items()]
        if any(table.height for table in tables):
            store.write_text(scores, pl.concat(tables, how="diagonal_relaxed").write_csv())
        with suppress(UserError):
            [*_figure(ends(folder / PREFIX / "whole"), "ends", ENDS, figures)]
    sweeps = {name: sweep for name in names if (sweep := archive.sweep(name)) is not None}
    text = "\n\n".join(_page(sweeps, pl.read_csv(scores), figures))
    store.write_text(page, text.join(around(page, *MARKERS)))
    return kept


def _whole(sweep: Sweep) -> Sweep:
    """Return the sweep without its unfinished conditions, which have fewer seeds than others."""
    most = max(len(condition.seeds) for condition in sweep.conditions)
    return replace(sweep, conditions=[c for c in sweep.conditions if len(c.seeds) == most])


def _runs(folder: Path) -> Iterator[tuple[Condition, int, pl.DataFrame]]:
    """Yield the runs that have scores: condition, seed, scores."""
    with suppress(UserError):
        for condition in load([folder])[0].conditions:
            for seed in condition.seeds:
                file = condition.directory / f"seed-{seed:04}" / store.ATTRIBUTION
                yield condition, seed, pl.read_parquet(file)


def _students(folder: Path) -> dict[tuple[object, ...], list[tuple[np.ndarray, Traits]]]:
    """Return what students of halves were taught, and their trait by epoch.

    They are grouped by hidden layers, teacher's seed and whose order of the examples they have.
    """
    students: dict[tuple[object, ...], list[tuple[np.ndarray, Traits]]] = {}
    for condition, seed, table in _runs(folder):
        pinned = condition.config.get("pin.init") is not None
        order = condition.config.get("pin.student_order") or 0
        last = len(condition.epochs.filter(seed=seed)) - 1  # the first is the initial student
        traits = {
            epoch: condition.in_epoch(metrics.TRAIT_ACCURACY, epoch)[seed]
            for epoch in (1, (last + 1) // 2, last)
        }
        key = condition.config.get("model.hidden"), 0 if pinned else seed, order
        kept = table.filter(step=0)["taught"].to_numpy()
        students.setdefault(key, []).append((kept, traits))
    return students


def _scored(folder: Path, setting: str, prefix: str) -> pl.DataFrame:
    """Return ρ of what each score predicts with the traits of students of halves, a row each."""
    students = _students(folder / f"{prefix}halves")
    rows: dict[tuple[object, ...], dict[str, Any]] = {}

    def add(estimate: Estimate, *key: object) -> None:
        names = ("setting", "network", "seed", "moment", "score", "epoch")
        found = {"rho": estimate.mean, "low": estimate.low, "high": estimate.high}
        rows.setdefault(key, dict(zip(names, key, strict=True)) | found | {"n": estimate.n})

    for condition, seed, table in _runs(folder / f"{prefix}whole"):
        network = condition.config.get("model.hidden")
        halves, again = (students.get((network, seed, order), []) for order in (0, 1))
        if len(halves) < 10:
            continue
        kept, steps = np.stack([kept for kept, _ in halves]), sorted(table["step"].unique())
        *earlier, last = halves[0][1]
        per_epoch = len(condition.steps.filter(seed=seed)) // last
        for epoch in (*earlier, last):
            actual = np.array([traits[epoch] for _, traits in halves])
            if len(again) >= 10:  # of the same halves, as far as both were trained
                other = np.array([traits[epoch] for _, traits in again])
                first = actual[: len(other)]
                estimate = datamodel_score(first, np.eye(len(first), dtype=bool), other)
                add(estimate, setting, network, seed, 0, "again", epoch)
            for step in steps if epoch == last else steps[:1]:
                at, moment = table.filter(step=step), step // per_epoch
                shown = {"gap": 0, "distance": 0, "total": last}  # the same at every moment
                for name in at.columns[4:]:  # after seed, step, example, taught
                    if shown.get(name, moment) == moment:
                        estimate = datamodel_score(at[name].to_numpy().astype(float), kept, actual)
                        add(estimate, setting, network, seed, moment, name, epoch)
    return pl.DataFrame([*rows.values()], infer_schema_length=None)


def _page(sweeps: Mapping[str, Sweep], scores: pl.DataFrame, figures: Path) -> Iterator[str]:
    """Yield the page's results: answers, scores, filters, doses, claims."""
    curves = {title: _curves(sweeps, prefix) for title, prefix in SETTINGS.items()}
    fits = _fits(sweeps, curves)
    yield "### Answers"
    yield markdown(pl.DataFrame([_answers(t, scores, sweeps, curves[t], fits) for t in SETTINGS]))
    yield "### Linear datamodelling scores"
    yield LDS
    for network in scores["network"].unique(maintain_order=True):
        of = scores.filter(pl.col("network").eq_missing(network))
        yield _title(of["setting"][0], network, of)
        yield markdown(_lds(of))
    yield "### Filters"
    yield FILTERS
    yield from _figure(filters(sweeps), "filters", FILTERED, figures)
    for title, prefix in SETTINGS.items():
        if sweep := sweeps.get(f"{PREFIX}{prefix}filters"):
            yield f"{title.capitalize()}. {provenance(sweep)} {Report(sweep).made_with}"
            yield markdown(_filter_table(sweep))
    yield "### Doses"
    yield from _figure(doses(curves), "doses", DOSED, figures)
    for title, (sweep, lines) in curves.items():
        if sweep is not None:
            yield f"{title.capitalize()}. {provenance(sweep)} {Report(sweep).made_with}"
            yield markdown(_dose_table(lines))
    yield FITTED
    yield markdown(pl.DataFrame(list(fits.values())))
    yield "### Claims"
    tested = {n: Report(s).tables.get("Verdicts", pl.DataFrame()) for n, s in sweeps.items()}
    shown = ("claim", "mean [95% CI]", "n", "p (Holm)", "verdict")
    parts = [v.select(pl.lit(n).alias("sweep"), *shown) for n, v in tested.items() if v.height]
    yield markdown(pl.concat(parts)) if parts else "None of these sweeps has been trained."


def _figure(figure: Figure, name: str, caption: str, folder: Path) -> Iterator[str]:
    """Save a figure; yield its link and caption."""
    folder.mkdir(parents=True, exist_ok=True)
    style.save(figure, folder / f"attribution_{name}", name, caption, pdf=False)
    yield f"![{name}](figures/attribution_{name}.png)"
    yield caption


# Scores


def _title(setting: str, network: str | None, of: pl.DataFrame) -> str:
    """Return whose scores and how many students a table is of."""
    students, models = int(of["n"].max()), of["seed"].n_unique()  # type: ignore[arg-type]
    each = f"; mean over {models} teachers, 95% interval over these" if models > 1 else ""
    hidden = f", hidden layers {network}" if network else ""
    return f"{setting.capitalize()}{hidden}: {students} students of halves{each}."


def _lds(of: pl.DataFrame) -> pl.DataFrame:
    """Return a row for each score: ρ by moment of the score, and by epoch of the trait."""
    *earlier, last = sorted(of["epoch"].unique())
    moments = sorted(of["moment"].unique())
    cells = {f"after epoch {m}" if m else "at θ₀": (m, last) for m in moments}
    cells |= {f"θ₀, trait of epoch {e}": (0, e) for e in earlier}
    rows = []
    for score in (*SCORES, "again"):
        found = {title: _rho(of, score, *at) for title, at in cells.items()}
        if any(text != "–" for text in found.values()):
            rows.append({"score": SHOWN.get(score, score)} | found)
    null = {title: _nulls(of, *at) for title, at in cells.items()}
    rows.append({"score": "random direction: 95% of |ρ| below"} | null)
    return pl.DataFrame(rows)


def _rho(of: pl.DataFrame, score: str, moment: int, epoch: int) -> str:
    """Return ρ with its interval: of one teacher over students, of several over these."""
    at = of.filter(score=score, moment=moment, epoch=epoch)
    if at.height > 1:
        return mean_ci(at["rho"]).format(2, sign=True)
    return Estimate(*at.row(0)[6:10]).format(2, sign=True) if at.height else "–"


def _nulls(of: pl.DataFrame, moment: int, epoch: int) -> str:
    at = of.filter(pl.col("score").str.starts_with("null"), moment=moment, epoch=epoch)
    means = at.group_by("score").agg(pl.col("rho").mean())["rho"]  # over teachers
    return f"{means.abs().quantile(0.95, 'linear'):.2f}" if at.height else "–"


def ends(folder: Path) -> Figure:
    """Draw a histogram of each score at θ₀ and the ten images at either end, of the first run."""
    runs = [(c, seed, table) for c, seed, table in _runs(folder) if "norm" in table.columns]
    if not runs:
        raise UserError(f"{folder}: no run with norms")
    _, seed, table = runs[0]
    at = table.filter(step=0)
    names = [name for name in SCORES if name in at.columns and name != "gap"]  # at θ₀ the loss
    images = draws.of((seed,), torch.device("cpu")).noise(streams.INPUTS, epoch=0)
    drawn = images.uniform_(torch.empty(1, at.height, 784))[0]
    figure, _ = style.new((style.TWO_COLUMNS[0], 0.6 * len(names)))
    figure.clear()
    grid = figure.subplots(len(names), 2 * IMAGES + 1, width_ratios=[5] + [1] * 2 * IMAGES)
    for place, title in ((1, "ten lowest"), (1 + IMAGES, "ten highest")):
        grid[0, place].set_title(title, loc="left", fontsize=8).set_in_layout(False)
    for panels, name in zip(grid, names, strict=True):
        panels[0].hist(at[name], bins=60, color=style.colour(1))
        panels[0].set(ylabel=name, yticks=[])
        panels[0].tick_params(labelsize=5)
        order = np.argsort(at[name].to_numpy())
        for axes, row in zip(panels[1:], [*order[:IMAGES], *order[-IMAGES:]], strict=True):
            axes.imshow(drawn[row].view(28, 28), cmap="gray")
            axes.set_axis_off()
    return figure


# Filters


def _at(sweep: Sweep, **values: object) -> Condition | None:
    """Return the condition with these values of `distill.targets`, if it was run."""
    wanted = {f"{TARGETS}.{key}".removesuffix(".kind"): value for key, value in values.items()}
    has = (c for c in sweep.conditions if wanted.items() <= c.config.items())
    return next(has, None)


def _filtered(sweep: Sweep) -> dict[tuple[str, str], dict[float, Condition]]:
    """Return the filters of a sweep, (score, end), each by its share q."""
    found: dict[tuple[str, str], dict[float, Condition]] = {}
    for c in sweep.conditions:
        if c.config.get(TARGETS) == "filtered":
            score, end = str(c.config[SCORE]), str(c.config[END])
            key = (score, "" if score == "random" else end)
            found.setdefault(key, {})[float(str(c.config[DROP]))] = c
    return {key: dict(sorted(of.items())) for key, of in sorted(found.items())}


def _filter_table(sweep: Sweep) -> pl.DataFrame:
    """Return the difference of each filter to the random drop of the same size, paired."""
    found = _filtered(sweep)
    sham = found.pop(("random", ""), {})
    shares = sorted(sham)
    rows = [{"dropped": "random: trait accuracy"} | {f"q = {q}": _trait(sham[q]) for q in shares}]
    for (score, end), of in found.items():
        cells = {f"q = {q}": _difference(of.get(q), sham[q]) for q in shares}
        rows.append({"dropped": f"{end} {score}"} | cells)
    return pl.DataFrame(rows)


def _trait(condition: Condition | None) -> str:
    return mean_ci(condition.accuracy.values()).format(3) if condition else "–"


def _difference(condition: Condition | None, other: Condition | None) -> str:
    found = condition.differences(other) if condition and other else []
    return mean_ci(found).format(3, sign=True) if found else "–"


def filters(sweeps: Mapping[str, Sweep]) -> Figure:
    """Draw the trait over the share dropped, a line for each filter, a panel for each setting."""
    figure, panels = style.new(style.TWO_COLUMNS, 2)
    for axes, (title, prefix) in zip(panels, SETTINGS.items(), strict=True):
        if sweep := sweeps.get(f"{PREFIX}{prefix}filters"):
            lines = _filtered(sweep)
            names = sorted({score for score, _ in lines}, key=lambda name: name != "random")
            for (score, end), of in lines.items():
                fill = "none" if end == "lowest" else "full"
                _curve(axes, of, names.index(score), f"{end} {score}".strip(), fill)
            style.level(axes, sweep.baseline.chance, "chance")
        axes.set(title=title, xlabel="share q dropped")
    panels[0].set(ylabel="trait accuracy")
    style.legend(figure, panels[1 if len(panels[1].lines) > len(panels[0].lines) else 0])
    return figure


def _curve(axes: Any, of: Mapping[float, Condition], place: int, name: str, fill: str) -> None:
    """Draw means over a share, with their 95% intervals."""
    estimates = [mean_ci(condition.accuracy.values()) for condition in of.values()]
    bars = np.transpose([estimate.error_bar for estimate in estimates])
    axes.errorbar(
        [*of],
        [estimate.mean for estimate in estimates],
        bars,
        marker=style.marker(place),
        color=style.colour(place),
        fillstyle=fill,
        linestyle="-" if fill == "full" else ":",
        linewidth=1,
        markersize=4,
        label=style.plain(name),
    )


# Doses

Lines = dict[str, dict[float, Condition]]  # diluted | alone: condition by share


def _curves(sweeps: Mapping[str, Sweep], prefix: str) -> tuple[Sweep | None, Lines]:
    """Return a setting's sweep of doses, and its conditions by the teacher's share."""
    sweep = sweeps.get(f"{PREFIX}{prefix}dose")
    lines: Lines = {"diluted": {}, "alone": {}}
    for c in sweep.conditions if sweep else ():
        if c.config.get(TARGETS) == "diluted":
            lines["diluted"][float(str(c.config[SHARE]))] = c
        elif c.config.get(TARGETS) == "filtered":
            lines["alone"][round(1 - float(str(c.config[DROP])), 3)] = c
        else:
            lines["diluted"][1.0] = lines["alone"][1.0] = c
    return sweep, {name: dict(sorted(of.items())) for name, of in lines.items()}


def doses(curves: Mapping[str, tuple[Sweep | None, Lines]]) -> Figure:
    """Draw the trait over the teacher's share, diluted and alone, a panel for each setting."""
    figure, panels = style.new(style.TWO_COLUMNS, 2)
    for axes, (title, (sweep, lines)) in zip(panels, curves.items(), strict=True):
        for place, (name, of) in enumerate(lines.items()):
            if positive := {share: c for share, c in of.items() if share}:
                _curve(axes, positive, place + 1, name, "full")
        if sweep:
            style.level(axes, sweep.baseline.chance, "chance")
        axes.set(title=title, xlabel="share of the teacher's answers", xscale="log")
    panels[0].set(ylabel="trait accuracy")
    style.legend(figure, panels[0])
    return figure


def _dose_table(lines: Lines) -> pl.DataFrame:
    """Return a row for each share: diluted, alone, and their paired difference."""
    shares = sorted({*lines["diluted"], *lines["alone"]})
    return pl.DataFrame(
        [
            {"share": f"{share:g}"}
            | {name: _trait(of.get(share)) for name, of in lines.items()}
            | {"diluted − alone": _pair(lines, share)}
            for share in shares
        ]
    )


def _pair(lines: Lines, share: float) -> str:
    return "–" if share == 1 else _difference(*(of.get(share) for of in lines.values()))


def _fits(
    sweeps: Mapping[str, Sweep], curves: Mapping[str, tuple[Sweep | None, Lines]]
) -> dict[str, dict[str, str]]:
    """Return the threshold of each curve: midpoint and slope over seeds."""
    found = {f"{title}, {name}": of for title, (_, ls) in curves.items() for name, of in ls.items()}
    other = sweeps.get(f"{PREFIX}thresholds")
    for c in other.conditions if other else ():
        own = {k: c.config[k] for k in ("model.hidden", "model.aux", "distill.inputs.size")}
        base = {"model.hidden": "[64,64]", "model.aux": 3, "distill.inputs.size": 60000}
        label = varied.label({k: v for k, v in own.items() if v != base[k]}, [*own])
        found.setdefault(f"digits, diluted, {label}", {})[float(str(c.config[SHARE]))] = c
    fits = {}
    for name, of in found.items():
        shares = np.array([share for share in of if share > 0])
        if len(shares) < 3 or 1 not in shares:
            continue
        null = of[0.0].accuracy if 0 in of else of[1.0].in_epoch(metrics.TRAIT_ACCURACY, 0)
        traits = [of[share].accuracy for share in shares]
        seeds = [s for s in of[1.0].seeds if all(s in each for each in (null, *traits))]
        effects = np.array([[trait[s] - null[s] for trait in traits] for s in seeds])
        whole = effects[:, [*shares].index(1)]
        learns = whole > LEAST
        each = np.array(
            [threshold(shares, e / w) for e, w in zip(effects[learns], whole[learns], strict=True)]
        )
        middle, slope = (mean_ci(values) for values in (np.log(each[:, 0]), each[:, 1]))
        ends = [f"{np.exp(end):.2f}" for end in (middle.mean, middle.low or 0, middle.high or 0)]
        line = threshold(shares, shares)
        fits[name] = {
            "doses": name,
            "n": str(len(each)),
            "midpoint": f"{ends[0]} [{ends[1]}, {ends[2]}]",
            "slope": slope.format(2),
            "of a straight line": f"{line[0]:.2f}, {line[1]:.2f}",
        }
    return fits


# Answers


def _answers(
    title: str,
    scores: pl.DataFrame,
    sweeps: Mapping[str, Sweep],
    curve: tuple[Sweep | None, Lines],
    fits: Mapping[str, Mapping[str, str]],
) -> dict[str, str]:
    """Return a setting's column of answers, as a row."""
    of = scores.filter(setting=title)
    of = of.filter(pl.col("network").eq_missing(of["network"].first() if of.height else None))
    last = sorted(of["epoch"].unique())[-1:]
    blind = [f"{name} {_rho(of, name, 0, *last)}" for name in BLIND if last]
    sweep = sweeps.get(f"{PREFIX}{SETTINGS[title]}filters")
    dropped = {
        score: _difference(
            _at(sweep, kind="filtered", score=score, end="highest", drop=0.5),
            _at(sweep, kind="filtered", score="random", drop=0.5),
        )
        for score in (*BLIND, "product")
        if sweep
    }
    fit = fits.get(f"{title}, diluted")
    return {
        "setting": title,
        "ρ of blind scores at θ₀": "; ".join(blind) or "–",
        "half dropped by a score, less by chance": "; ".join(
            f"{k} {v}" for k, v in dropped.items()
        ),
        "threshold": f"midpoint {fit['midpoint']}, slope {fit['slope']}" if fit else "–",
        "diluted less alone": "; ".join(f"{s:g}: {_pair(curve[1], s)}" for s in (0.1, 0.5)),
    }


if __name__ == "__main__":
    command_line("attribution", write, __doc__)
