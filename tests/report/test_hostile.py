"""A whole report on names and values that each way of showing them takes for its own."""

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from chromium import Visit, needs_chromium
from hostile_names import NAME, VALUES, write_hostile
from markdown_it import MarkdownIt
from playwright.sync_api import Browser
from pylatexenc.latex2text import LatexNodes2Text

from subliminal.commands import runs
from subliminal.report import varied

QUOTES = {ord("ˆ"): "^", ord("‘"): "`", ord("’"): "'"}  # as LaTeX's fonts draw them
NAMES = [f"odd={varied.show(value)}" for value in VALUES]


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_hostile(tmp_path_factory.mktemp("outputs"))


@pytest.fixture(scope="module")
def told(experiment: Path) -> str:
    """What the report says on a terminal; its files are written."""
    command = [sys.executable, "-m", "subliminal.report", str(experiment)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout


def cells(text: str) -> set[str]:
    """Return the texts of a table's first column on a terminal, lines joined, without spaces."""
    found: list[str] = []
    open_row = False
    for line in text.splitlines():
        if line.startswith("│"):
            first, second = (cell.strip() for cell in line.split("│")[1:3])
            if second or not open_row:
                found.append(first)
            else:
                found[-1] += first
            open_row = True
        else:
            open_row = False
    return {text.replace(" ", "") for text in found}


def test_a_terminal_shows_them(told: str) -> None:
    assert {name.replace(" ", "") for name in NAMES} <= cells(told)
    assert f"{NAME}: mean [95% CI]" in told
    assert "\x1b" not in told


def test_the_list_of_runs_shows_them(
    experiment: Path, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["runs", "--outputs", str(experiment.parent)])
    assert runs.main() == 0
    assert NAME.replace(" ", "") in cells(capsys.readouterr().out)


def test_markdown_shows_them(experiment: Path, told: str) -> None:
    page = (experiment / "report" / "results.md").read_text(encoding="utf-8")
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(page)
    shown = [
        "".join(inner.content for inner in token.children or ())
        for token in tokens
        if token.type == "inline"
    ]
    assert set(NAMES) <= set(shown)
    assert NAME in shown  # its heading
    kinds = {inner.type for token in tokens for inner in token.children or ()}
    ours = {"text", "text_special", "image", "code_inline", "strong_open", "strong_close"}
    assert kinds <= ours | {"softbreak"}
    images = [i.attrs["src"] for t in tokens for i in t.children or () if i.type == "image"]
    assert images
    assert all((experiment / "report" / str(source)).is_file() for source in images)


def test_tables_hold_them(experiment: Path, told: str) -> None:
    table = pl.read_csv(experiment / "report" / "results.csv", glob=False)
    assert table["condition"].to_list() == NAMES
    lines = (experiment / "report" / "results.tex").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith(f"% {NAME}: Results")
    firsts = [line.split(" & ")[0] for line in lines[5:-2]]
    read = LatexNodes2Text(strict_latex_spaces=True)
    shown = [read.latex_to_text(first).translate(QUOTES) for first in firsts]
    wanted = [name.replace("日本", "\\u65e5\\u672c") for name in NAMES]
    assert shown == wanted


@needs_chromium
def test_the_page_shows_them(experiment: Path, told: str, browser: Browser) -> None:
    visit = Visit(browser, experiment, width=1400, scheme="light")
    page = visit.page
    assert page.text_content("h1") == NAME
    ticks = page.locator("#final-plot .ytick text").all_text_contents()
    for tick, name in zip(ticks, NAMES, strict=True):  # of a long name, its start and end
        start, _, end = tick.partition("…") if len(name) > 28 else (name, "", "")
        assert len(tick) == min(len(name), 28)
        assert name.startswith(start)
        assert name.endswith(end)
    legend = page.locator("#curve-plot .legendtext").all_text_contents()
    assert set(legend) <= set(ticks)
    heads = page.locator("#grid tbody th").all_text_contents()
    assert heads == NAMES
    assert page.locator("#results td:first-child").all_text_contents() == NAMES
    page.locator("#curve-plot .nsewdrag").first.hover()
    visit.quiet()
