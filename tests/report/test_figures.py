"""Figures are drawn by our settings alone, and names in them as text."""

import hashlib
import io
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import polars as pl
import pytest
from handmade_runs import write_experiment
from hostile_names import NAME, VALUES, write_hostile
from matplotlib.cbook import is_math_text
from matplotlib.figure import Figure

from subliminal.config.terminal import printable
from subliminal.report import figures
from subliminal.report.conditions import Condition, Sweep, smooth
from subliminal.report.figures import curves, finals, style
from subliminal.report.read import load
from subliminal.report.varied import Flat, Value

RC = """
text.usetex: True
text.parse_math: False
font.family: serif
font.size: 20
savefig.dpi: 30
savefig.transparent: True
backend: pgf
axes.formatter.use_locale: True
path.sketch: 1, 100, 2
legend.loc: center
axes.prop_cycle: cycler('color', ['r'])
"""
DRAW = """
import sys
from pathlib import Path
from subliminal.report.figures import draw
from subliminal.report.read import load
from subliminal.report.varied import Flat, Value
draw(load([Path(sys.argv[1])])[0], Path(sys.argv[2]))
"""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    (sweep,) = load([write_hostile(tmp_path_factory.mktemp("hostile"))])
    assert len(sweep.conditions) == len(VALUES)
    return sweep


def digests(folder: Path) -> dict[str, str]:
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_experiment(tmp_path_factory.mktemp("store") / "made")


@pytest.fixture(scope="module")
def as_ever(experiment: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("as_ever")
    figures.draw(load([experiment])[0], folder)
    return digests(folder)


@pytest.mark.parametrize(
    ("rc", "extra"),
    [
        ("matplotlibrc", {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}),
        ("rc", {"MPLBACKEND": "nonsense", "MATPLOTLIBRC": "rc", "SOURCE_DATE_EPOCH": "1"}),
        pytest.param(
            "x", {"LC_ALL": "C", "PYTHONUTF8": "0", "TZ": "Asia/Tokyo"}, marks=pytest.mark.slow
        ),
    ],
)
def test_no_variable_and_no_file_of_the_working_folder_changes_a_byte(
    rc: str, extra: dict[str, str], experiment: Path, as_ever: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / rc).write_text(RC)
    words = (sys.executable, "-c", DRAW, experiment, tmp_path / "figures")
    subprocess.run(words, cwd=tmp_path, env={**os.environ, **extra}, check=True)
    assert digests(tmp_path / "figures") == as_ever


def test_a_settings_file_that_is_no_text_is_one_line(experiment: Path, tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_bytes(b"\xff\xfe\0")
    done = subprocess.run(
        [sys.executable, "-m", "subliminal.report", experiment],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: a matplotlibrc")
    assert "Traceback" not in done.stderr


def texts(figure: Figure) -> set[str]:
    """Return the texts of a figure, as an SVG of it has them."""
    content = io.BytesIO()
    with style.style():
        mpl.rcParams["svg.fonttype"] = "none"
        figure.savefig(content, format="svg", metadata={"Date": None})
    nodes = ET.fromstring(content.getvalue()).findall(".//{*}text")
    return {"".join(node.itertext()).strip() for node in nodes}


@pytest.mark.parametrize("draw", [curves.training, finals.accuracy, finals.frontier])
def test_names_are_drawn_as_text(
    draw: Callable[[Sweep], Figure], hostile: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(style, "MOST_LINES", len(VALUES))
    with style.style():
        found = texts(draw(hostile))
    for condition in hostile.conditions:
        name = printable(condition.name).replace("日本", "\\u65e5\\u672c")
        assert name in found


def test_a_name_is_no_formula_and_is_in_every_legend() -> None:
    for value in (*VALUES, NAME, "$", "$$", r"\$", "a $x$ b"):
        shown = style.plain(value)
        assert not is_math_text(shown)
        assert not shown.startswith("_")
        assert shown.isprintable()


def test_figures_of_any_name_lie_in_their_folder(hostile: Sweep, tmp_path: Path) -> None:
    odd = replace(hostile, name="../../x/" + NAME + "y" * 300)
    captions = figures.draw(odd, tmp_path / "deep" / "figures", pdf=False)
    made = {path.name for path in (tmp_path / "deep" / "figures").iterdir()}
    assert made == set(captions)
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]


@pytest.mark.parametrize(("classes", "chance"), [(10, 0.1), (2, 0.5), ("[3,5,8]", 1 / 3)])
def test_chance_is_a_guess_among_the_classes(classes: int | str, chance: float) -> None:
    empty = pl.DataFrame()
    condition = Condition("x", (0,), empty, empty, empty, [], {"data.classes": classes})
    assert condition.chance == pytest.approx(chance)


def test_chance_follows_the_number_of_classes(hostile: Sweep) -> None:
    few = [
        replace(condition, config=condition.config | {"data.classes": classes})
        for condition, classes in zip(hostile.conditions[:3], (2, 4, 10), strict=True)
    ]
    drawn = finals.dose_response(replace(hostile, conditions=few, swept={}), "data.classes")
    (line,) = (line for line in drawn.axes[0].lines if line.get_label() == "chance")
    assert np.asarray(line.get_ydata()) == pytest.approx([0.5, 0.25, 0.1])


@pytest.mark.parametrize(
    ("sizes", "epochs", "lines"),
    [
        ((256, 1024, 3200), (75, 19, 6), 1),
        ((256, 1024, 3200), (75, "late", 6), 3),  # an option, which stands in the legend
        ((256, 256, 3200), (75, 19, 6), 3),  # a grid
    ],
)
def test_a_number_that_goes_with_the_dose_makes_no_line(
    hostile: Sweep, sizes: list[Value], epochs: list[Value], lines: int
) -> None:
    configs: list[Flat] = [{"size": n, "epochs": e} for n, e in zip(sizes, epochs, strict=True)]
    few = [replace(c, config=of) for c, of in zip(hostile.conditions, configs, strict=False)]
    sweep = replace(hostile, conditions=few, swept={"size": [*sizes], "epochs": [*epochs]})
    assert len(finals._series(sweep, "size")) == lines


@pytest.mark.parametrize(("steps", "left"), [(1, 1), (2, 2), (20, 19), (300, 286)])
def test_the_moving_average_shrinks_with_the_run(steps: int, left: int) -> None:
    x, values = smooth(np.arange(float(steps)), np.ones((2, steps)))
    assert (len(x), values.shape) == (left, (2, left))


def test_one_point_is_a_marker() -> None:
    _, (axes,) = style.new(style.ONE_COLUMN)
    style.line(axes, np.array([0.5]), np.array([[1.0], [3.0]]), 0, "a", faint=0)
    assert any(
        line.get_marker() == "o" and np.array_equal(line.get_ydata(), [2]) for line in axes.lines
    )


def test_a_levels_label_stands_beside_the_axes() -> None:
    figure, (axes,) = style.new(style.ONE_COLUMN)
    style.level(axes, 0.1, "chance")
    figure.draw_without_rendering()
    assert axes.texts[0].get_window_extent().x0 >= axes.bbox.x1


def grid_of(sweep: Sweep, pairs: list[tuple[float, int]]) -> Sweep:
    """Return a sweep of conditions that differ in two numbers."""
    keys = ("optim.lr", "model.aux")
    conditions = [replace(sweep.baseline, config=dict(zip(keys, p, strict=True))) for p in pairs]
    swept = {key: list(dict.fromkeys(c.config[key] for c in conditions)) for key in keys}
    return replace(sweep, conditions=conditions, swept=swept)


def test_a_grid_of_two_numbers_has_a_heat_map(hostile: Sweep) -> None:
    grid = grid_of(hostile, [(0.1, 3), (0.1, 10), (0.01, 3)])
    assert "heatmap" in {drawing.name for drawing in figures.drawings(grid)}
    figure = finals.heatmap(grid)
    array = figure.axes[0].images[0].get_array()
    assert array is not None
    cells = np.ma.filled(array, np.nan)
    mean = np.mean(list(hostile.baseline.accuracy.values()))
    assert cells == pytest.approx(np.array([[mean, mean], [np.nan, mean]]), nan_ok=True)
    assert {"0.01", "0.1", "3", "10", "optim.lr", "model.aux"} <= texts(figure)
    paired = grid_of(hostile, [(0.1, 3), (0.01, 10)])  # pair=optim.lr,model.aux
    assert not paired.plane
    assert not hostile.plane
