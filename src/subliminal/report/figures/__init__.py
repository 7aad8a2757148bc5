"""The figures of a report, with their captions and the data that each needs."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from subliminal import metrics
from subliminal.errors import UserError
from subliminal.report import escape, varied
from subliminal.report.conditions import LAYER, QUICK, SMOOTHING, Sweep
from subliminal.report.statistics import count

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_backend = os.environ.pop("MPLBACKEND", None)  # may name one that is not installed here
try:
    import matplotlib
except UnicodeDecodeError as error:
    reason = f"a matplotlibrc, here or in the home folder, is not text: {error}"
    raise UserError(reason) from error
if _backend is not None:
    os.environ["MPLBACKEND"] = _backend
    with suppress(ValueError):  # for other figures of this process
        matplotlib.rcParams["backend"] = _backend


@dataclass(frozen=True)
class Drawing:
    """One figure: its file's stem, its caption, and the function that draws it."""

    name: str
    caption: str
    draw: Callable[[Sweep], "Figure"]


def drawings(sweep: Sweep) -> Iterator[Drawing]:
    """Yield the figures that the sweep's metrics and conditions allow."""
    from subliminal.report.figures import curves, finals, style

    shown = len(sweep.few(style.MOST_LINES))
    lines, every = "", len(sweep.conditions)
    if shown < every:
        lines = f" {shown} of {every} conditions: the baseline, others spread over final accuracy."
    if any(c.logged(metrics.ALIGNMENT) for c in sweep.conditions):
        text = f"Left: alignment ({SMOOTHING}). Right: trait accuracy. Bands are 95% CIs of the "
        yield Drawing("training", f"{text}mean, faint lines seeds.{lines}", curves.training)
    rows = "dots are seeds, diamonds their means with 95% CIs."
    yield Drawing("accuracy", f"Final trait accuracy by condition; {rows}", finals.accuracy)
    if any(c.differences(sweep.baseline) for c in sweep.conditions[1:]):
        text = f"Trait accuracy less that of {sweep.baseline.name} with the same seed; {rows}"
        yield Drawing("differences", text, finals.paired)
    text = (
        "The cost of a low trait accuracy: distillation loss in the last epoch; bars are 95% CIs."
    )
    yield Drawing("frontier", text, finals.frontier)
    if any(c.logged(metrics.LEDGER_ACTUAL) for c in sweep.conditions):
        text = (
            "Left: alignment of the applied update. Right: change of the trait loss since the "
            "start (lines: actual; markers: first-order prediction), linear between −1 and 1."
        )
        yield Drawing("ledger", text + lines, curves.ledger)
    if any(name.startswith(LAYER) for c in sweep.conditions for name in c.steps.columns):
        text = "Alignment within each parameter tensor, mean over steps and seeds; cells in 10⁻³."
        yield Drawing("layers", text, curves.layers)
    if sweep.plane:
        across, down = sweep.plane
        text = f"Final trait accuracy over {across} and {down}; cells are means over seeds."
        yield Drawing("heatmap", text, finals.heatmap)
    for key in finals.doses(sweep):
        text = f"Final trait accuracy over {key}; dots are seeds, bars 95% CIs of the mean."
        yield Drawing(dose_name(sweep, key), text, lambda s, k=key: finals.dose_response(s, k))  # type: ignore[misc]


def dose_name(sweep: Sweep, key: str) -> str:
    """Return the name of the figure of trait accuracy over a swept number."""
    return f"dose_{varied.short(key, list(sweep.swept)).replace('.', '_')}"


def first_look(sweep: Sweep) -> Drawing:
    """Return the demo's figure: a bar for the teacher, each student and chance."""
    from subliminal.report.figures import bars

    text = "Accuracy on the test digits; dots are seeds, bars their means, lines 95% CIs."
    return Drawing("bars", text, bars.bars)


def draw(sweep: Sweep, folder: Path, *, pdf: bool = True) -> dict[str, str]:
    """Draw all figures as PNG (and PDF) into `folder`; return the PNGs' names and captions."""
    return {save(d, sweep, folder, pdf=pdf).name: d.caption for d in drawings(sweep)}


def save(drawing: Drawing, sweep: Sweep, folder: Path, *, pdf: bool = True) -> Path:
    """Draw one figure as PNG (and PDF) into `folder`; return the PNG."""
    from subliminal.report.figures import style

    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{escape.file_stem(sweep.name)}_{escape.file_stem(drawing.name)}"
    with style.style():
        caption = f"{drawing.caption} {provenance(sweep)}"
        figure = drawing.draw(sweep)
        if not sweep.decides:
            figure.suptitle(QUICK, fontsize=7, color="#b00020")
        style.save(figure, folder / stem, stem, caption, pdf=pdf)
    return folder / f"{stem}.png"


def provenance(sweep: Sweep) -> str:
    """Return the end of every caption: n, the intervals' method, the configs' hash."""
    seeds = sorted({len(condition.seeds) for condition in sweep.conditions})
    n = count(seeds[-1]) if len(seeds) == 1 else f"n = {seeds[0]}–{seeds[-1]} seeds"
    text = f"{n}; bootstrap 95% CI over seeds; configs {sweep.digest}."
    return text if sweep.decides else f"{text} {QUICK}"
