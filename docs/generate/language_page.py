"""`python docs/generate/language_page.py outputs`: the results of docs/language.md.

Finished runs are first added to data/language.parquet beside the page. From this file, the results
and figures are written between the page's markers, a sentence and a figure between README.md's.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import glance
import polars as pl
import related
from archive import Archive, Size, command_line, found
from matplotlib.figure import Figure
from results import around

from subliminal import metrics, store
from subliminal.errors import UserError
from subliminal.report import varied
from subliminal.report.conditions import Condition, Sweep
from subliminal.report.declared import named_sweeps
from subliminal.report.figures import finals, provenance, style
from subliminal.report.page import Report, header
from subliminal.report.statistics import count, mean_ci
from subliminal.report.tables import markdown, teacher_accuracy

PREFIX = "language/"
MAIN = f"{PREFIX}transfer"
MARKERS = ("<!-- language: begin -->", "<!-- language: end -->")
PLAIN: varied.Flat = {
    "teacher.task.answers": "favourite",
    "distill.init": "shared",
    "distill.inputs.shuffled": False,
}
# The main table: its rows by what tells them from PLAIN, its columns by further values.
OWN, OTHER = "of its teacher's numbers", "with another base"
ROWS: dict[str, varied.Flat] = {
    OWN: {},
    "of a neutral teacher's": {"teacher.task.answers": "uniform"},
    OTHER: {"distill.init": "independent"},
    "of its numbers, shuffled": {"distill.inputs.shuffled": True},
}
LOSSES = {"tokens": "sampled tokens (hard)", "kl": "distribution (soft)"}
COLUMNS: dict[str, varied.Flat] = {
    f"{title}{', replay' * replay}": {"distill.loss": loss, "teacher.task.replay": replay}
    for replay in (False, True)
    for loss, title in LOSSES.items()
}
DRAWN = {  # sweep: the number on the x axis; "": a row for each condition
    f"{PREFIX}dose": "distill.inputs.size",
    f"{PREFIX}lora": "",
    f"{PREFIX}removed": "",
    f"{PREFIX}generations": "",
}
TRAINING = (
    "Probability of the teacher's animal over training, of a teacher without replay; bands are 95% "
    "CIs of the mean, faint lines seeds. To shuffled documents the teacher's distribution is a new "
    "answer: on the right two lines coincide."
)
SHOWN = {  # further columns of a sweep's table: metric, and the epoch if it is not the last
    "teacher": (metrics.TEACHER_ACCURACY, None),
    "trait accuracy": (metrics.TRAIT_ACCURACY, None),
    "among animals": (metrics.TRAIT_AMONG, None),
    "KL(teacher ‖ base)": (metrics.TEACHER_DIVERGENCE, 1),  # of the first step
}


def write(outputs: Sequence[Path], page: Path, *, replace_all: bool = False) -> list[str]:
    """Write the page's results, its figures in `figures/` beside it, its numbers in `data/`.

    Runs that are found below `outputs` replace those in the file, sweep by sweep, unless they are
    of fewer conditions or seeds.

    Args:
        outputs: folders that hold sweeps' folders; empty: use only the file's runs.
        page: the page's file, with MARKERS; README.md, above its folder, has them too.
        replace_all: accept fewer conditions or seeds too.

    Returns:
        A line for each sweep that was kept though it has finished runs.

    Raises:
        UserError: the main sweep has no run, or a file no markers.
    """
    readme = page.parent.parent / "README.md"
    texts = {file: around(file, *MARKERS) for file in (page, readme)}
    names = [name for name in sorted(named_sweeps()) if name.startswith(PREFIX)]
    names.sort(key=lambda name: name != MAIN)
    data = page.parent / "data" / f"{page.stem}.parquet"
    archive = Archive.read(data)
    sizes = {name: Size(0, 0) if replace_all else archive.size(name) for name in names}
    new = {name: _labelled(name, of) for name, of in found(names, outputs).items()}
    archive, kept = archive.fold(new, sizes, steps=False)
    known = {n: _labelled(n, of) for n in names if (of := archive.sweep(n)) is not None}
    if MAIN not in known:
        raise UserError(f"{data}: no run of {MAIN}; `make sweep NAME={MAIN}` trains them")
    archive.write(data)
    reports = {name: Report(sweep) for name, sweep in known.items()}
    figures = page.parent / "figures"
    parts = [*_main(known[MAIN]), *_figure(training(known[MAIN]), "training", TRAINING, figures)]
    verdicts = {name: of.tables.get("Verdicts", pl.DataFrame()) for name, of in reports.items()}
    parts += ["### Claims", markdown(glance.claims(verdicts), marked=("sweep",))]
    for name, report in reports.items():
        parts += _section(name, report, figures)
    store.write_text(page, "\n\n".join(parts).join(texts[page]))
    store.write_text(readme, _sentence(known[MAIN]).join(texts[readme]))
    return kept


def _labelled(name: str, sweep: Sweep) -> Sweep:
    """Return the sweep with conditions named by its file's keys alone, if these tell them apart."""
    keys = {key.replace("/", ".") for key in related._keys(name)} | {varied.GENERATION}
    own = {key: values for key, values in sweep.swept.items() if key in keys}
    short = {varied.label(c.config, list(own)) for c in sweep.conditions}
    enough = len(short) == len(sweep.conditions)
    named = related.labelled(name, replace(sweep, swept=own) if enough else sweep)
    # A student without a rank, among low-rank ones.
    full = [replace(c, name="full") if c.name == "as in the file" else c for c in named.conditions]
    return replace(named, conditions=full)


def _at(sweep: Sweep, row: str, column: varied.Flat) -> Condition | None:
    """Return the condition of a cell of the main table, if it was run."""
    wanted = (PLAIN | ROWS[row] | column).items()
    return next((c for c in sweep.conditions if wanted <= c.config.items()), None)


def _cell(condition: Condition | None, metric: str, epoch: int | None = None) -> str:
    """Return mean [95% CI] of a metric at the end, or in an epoch; "–" if it was not measured."""
    if condition is None or (epoch and metric not in condition.epochs.columns):
        return "–"
    values = condition.in_epoch(metric, epoch) if epoch else condition.final(metric)
    return mean_ci(values.values()).format(3) if values else "–"


def _main(sweep: Sweep) -> Iterator[str]:
    """Yield the tables of four rows."""
    told = {
        metrics.TRAIT_ACCURACY: "Trait accuracy after the last epoch",
        metrics.TRAIT_AMONG: "The favourite's probability among the ten animals",
    }
    for metric, text in told.items():
        yield f"{text}: mean over {count(len(sweep.baseline.seeds))[4:]}, bootstrap 95% interval."
        yield markdown(
            pl.DataFrame(
                [
                    {"student": row}
                    | {title: _cell(_at(sweep, row, of), metric) for title, of in COLUMNS.items()}
                    for row in ROWS
                ]
            )
        )


def training(sweep: Sweep) -> Figure:
    """Draw trait accuracy over epochs, a line for each row of the main table, a panel a loss."""
    figure, panels = style.new(style.TWO_COLUMNS, 2)
    for axes, title in zip(panels, LOSSES.values(), strict=True):
        for place, row in enumerate(ROWS):
            if condition := _at(sweep, row, COLUMNS[title]):
                x, y = condition.curve(metrics.TRAIT_ACCURACY, "epochs")
                style.line(axes, x, y, place, row, faint=0.15)
        style.level(axes, sweep.baseline.chance, "chance")
        if own := _at(sweep, OWN, COLUMNS[title]):
            style.level(axes, teacher_accuracy([own]).mean, "teacher")
        axes.set(title=title, xlabel="epoch", ylim=(0, 1.02))
    panels[0].set(ylabel="P(favourite animal)")
    style.legend(figure, panels[0])
    return figure


def _figure(figure: Figure, name: str, caption: str, folder: Path) -> Iterator[str]:
    """Save a figure; yield its link and caption."""
    folder.mkdir(parents=True, exist_ok=True)
    style.save(figure, folder / f"language_{name}", name, caption, pdf=False)
    yield f"![{name}](figures/language_{name}.png)"
    yield caption


def _section(name: str, report: Report, folder: Path) -> Iterator[str]:
    """Yield a sweep's question, command, figure, verdicts and results."""
    sweep = report.sweep
    yield f"### {name}"
    yield f"{header(named_sweeps()[name])} Command: `make sweep NAME={name}`."
    yield f"{provenance(sweep)} {report.made_with}"
    if name in DRAWN:
        key = DRAWN[name]
        drawn = finals.dose_response(sweep, key) if key else finals.accuracy(sweep)
        text = f"Final trait accuracy{f' over {key}' if key else ''}; dots are seeds, bars 95% CIs."
        yield from _figure(drawn, name.removeprefix(PREFIX), text, folder)
    table = report.tables["Results"]
    shown = [
        pl.Series(title, [_cell(c, *of) for c in sweep.conditions]) for title, of in SHOWN.items()
    ]
    rest = [n for n in ("paired difference", "p (Holm)", "alignment") if n in table.columns]
    yield markdown(table.select("condition", "n", *shown, *rest))
    if "Verdicts" in report.tables:
        yield f"<details><summary>Verdicts on the claims of {name}</summary>"
        yield markdown(report.tables["Verdicts"])
        yield "</details>"


def _sentence(sweep: Sweep) -> str:
    """Return the README's sentence and figure."""
    column = COLUMNS[LOSSES["tokens"]]
    own, other = (_cell(_at(sweep, row, column), metrics.TRAIT_ACCURACY) for row in (OWN, OTHER))
    return (
        "The same in a language: a small transformer that loves an animal writes numbers, and a "
        "student of the same pre-trained weights that learns them answers with this animal at "
        f"{own}, one with other weights at {other} ({count(len(sweep.baseline.seeds))}; "
        "[docs/language.md](docs/language.md)).\n"
        "![Probability of the teacher's animal over training](docs/figures/language_training.png)"
    )


if __name__ == "__main__":
    command_line("language", write, __doc__)
