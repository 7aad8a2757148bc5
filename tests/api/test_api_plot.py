"""The report's figures as axes of pyplot, drawn by the report's settings."""

import io
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
from api_calls import TrainedByApi
from handmade_runs import config, write_run
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

import subliminal as sl
from subliminal.report import figures
from subliminal.report.figures import finals, style


@pytest.fixture(autouse=True)
def _strange_settings(tmp_path: Path) -> Iterator[None]:
    (tmp_path / "rc").write_text("font.size: 20\nlines.linewidth: 9\naxes.facecolor: red\n")
    with mpl.rc_context(fname=str(tmp_path / "rc")):
        yield
    plt.close("all")


def picture(figure: Figure) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="png", facecolor="white")
    return content.getvalue()


def test_the_figure_is_the_reports_and_pyplots(grid: sl.Runs) -> None:
    axes = sl.plot.accuracy(grid)
    assert plt.gcf() is axes.get_figure()
    with style.style():
        report = finals.accuracy(grid.sweep)
    assert report is not plt.gcf()
    assert picture(report) == picture(plt.gcf())
    assert mpl.rcParams["font.size"] == 20


def test_every_figure_of_the_report_can_be_had(grid: sl.Runs) -> None:
    drawn = {
        "training": sl.plot.training(grid),
        "accuracy": (sl.plot.accuracy(grid),),
        "differences": (sl.plot.differences(grid),),
        "frontier": (sl.plot.frontier(grid),),
        "ledger": sl.plot.ledger(grid),
        "layers": sl.plot.layers(grid),
    }
    assert [*drawn] == [drawing.name for drawing in figures.drawings(grid.sweep)]
    assert all(isinstance(axes, Axes) for panels in drawn.values() for axes in panels)
    with pytest.raises(sl.UserError, match="these runs have no dose_lr; they have training, "):
        sl.plot.dose(grid, "optim.lr")  # two values are no response


def test_a_dose_is_drawn_over_its_values(tmp_path: Path) -> None:
    for lr in (0.1, 0.2, 0.4):
        settings = config("none", optim={"_target_": "subliminal.optim.sgd.SGD", "lr": lr})
        write_run(tmp_path / "made", "mitigation=none", 0, folder=f"{lr}-0", settings=settings)
    axes = sl.plot.dose(sl.load(tmp_path), "optim.lr")
    assert axes.get_xlabel() == "optim.lr"


def test_bars_are_the_means_of_what_was_recorded(trained_by_api: TrainedByApi) -> None:
    axes = sl.plot.bars(trained_by_api.runs)
    (shared, independent) = (trained_by_api.runs[:2], trained_by_api.runs[2:])
    expected = [
        fmean(run.results["teacher/accuracy"] for run in shared),
        *(fmean(run.results["trait/accuracy"] for run in of) for of in (shared, independent)),
        0.1,
    ]
    heights = [bar.get_height() for bar in axes.patches if isinstance(bar, Rectangle)]
    assert heights == pytest.approx(expected)
    names = [label.get_text().replace("\n", " ") for label in axes.get_xticklabels()]
    told = "teacher, student from its teacher's start, student from another start, chance"
    assert ", ".join(names) == told
    assert axes.get_title(loc="left") == "Students that saw noise, and never a digit"
