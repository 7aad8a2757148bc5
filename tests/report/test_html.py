"""The interactive page, in a real browser: nothing fetched, figures drawn, filters, keyboard."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from chromium import Visit, needs_chromium
from handmade_runs import config, write_experiment, write_run
from playwright.sync_api import Browser

from subliminal import store
from subliminal.report.html import page_data, write_html
from subliminal.report.page import Report
from subliminal.report.read import load

PLOTS = ("curve-plot", "final-plot", "frontier-plot", "paired-plot", "layers-plot")


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two conditions of four seeds, one failed run, and a name that would break naive HTML."""
    folder = write_experiment(tmp_path_factory.mktemp("store") / "a {{css}} <b>& <script>")
    failed = store.run_dir(folder / "mitigation=none-00000000", 9)
    failed.mkdir()
    (failed / store.FAILURE).write_text("it broke\n")
    place = folder / "report"
    write_html(Report(load([folder])[0]), place / "index.html", place)
    return folder


def test_the_data_is_complete(experiment: Path) -> None:
    data = page_data(Report(load([experiment])[0]), experiment / "report")
    assert data["swept"] == {"mitigation": ["none", "liminal"]}
    states = [run[2] for run in data["runs"]]
    assert (states.count("finished"), states.count("failed")) == (8, 1)
    seed = next(run for run in data["runs"] if run[0] == 1 and run[1] == 2)
    assert seed[3] == pytest.approx(0.5)  # 0.4 + 2 / 20
    assert (experiment / "report" / seed[5] / "steps.parquet").is_file()
    assert data["conditions"][0]["curves"]["trait accuracy"][1] == [0.1, 0.3, 0.65]


@needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_all_is_drawn_and_nothing_fetched(
    browser: Browser, experiment: Path, width: int, scheme: str
) -> None:
    visit = Visit(browser, experiment, width=width, scheme=scheme)
    page = visit.page
    assert page.text_content("h1") == "a {{css}} <b>& <script>"
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    for plot in PLOTS:
        box = page.locator(f"#{plot} .main-svg").first.bounding_box()
        assert box is not None
        assert box["width"] > 250, plot
        assert page.locator(f"#{plot} .trace path, #{plot} .hm image").count() > 0, plot
    assert "failed: mitigation=none-00000000, seed 9" in page.inner_text("#problems")
    page.locator("#grid button").first.click()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    visit.quiet()


def test_the_page_is_one_small_file(experiment: Path) -> None:
    page = (experiment / "report" / "index.html").read_text(encoding="utf-8")
    assert len(page) < 3e6  # plotly.js is most of it
    assert "{{" not in page.partition("<script>")[0].replace("a {{css}}", "")
    assert "<title>a {{css}} &lt;b&gt;&amp; &lt;script&gt; – subliminal</title>" in page
    assert not re.search(r"""(?:src|href)=["']?https?:""", page)


@needs_chromium
def test_a_filter_and_a_metric_change_what_is_shown(browser: Browser, experiment: Path) -> None:
    page = Visit(browser, experiment, width=1280, scheme="light").page
    rows, legend = page.locator("#grid tbody tr"), page.locator("#curve-plot .legendtext")
    assert (rows.count(), legend.all_text_contents()) == (2, ["none", "liminal"])
    page.get_by_label("liminal", exact=True).uncheck()
    assert (rows.count(), legend.all_text_contents()) == (1, ["none"])
    assert page.inner_text("#shown") == "1 of 2 conditions shown."
    page.get_by_label("none", exact=True).uncheck()
    none = "0 of 2 conditions shown; choose a value of each key above."
    assert page.inner_text("#shown") == none
    assert not page.is_visible("#charts")
    page.get_by_label("liminal", exact=True).check()
    assert legend.all_text_contents() == ["liminal"]
    assert page.text_content("#curve-plot .ytitle") == "alignment"
    page.select_option("#curve", "trait accuracy")
    assert page.text_content("#curve-plot .ytitle") == "trait accuracy"


@needs_chromium
def test_the_keyboard_reaches_a_run_and_the_theme(browser: Browser, experiment: Path) -> None:
    visit = Visit(browser, experiment, width=1280, scheme="light")
    page, reached = visit.page, set()
    opened = False
    for _ in range(80):
        page.keyboard.press("Tab")
        focus = page.evaluate("document.activeElement.id || document.activeElement.type")
        reached.add(focus)
        if focus == "theme":
            page.keyboard.press("Enter")
            assert page.evaluate("document.documentElement.dataset.theme") == "dark"
        if focus == "button":  # the first run of the grid
            page.keyboard.press("Enter")
            opened = True
            break
    assert opened
    assert {"theme", "checkbox", "curve", "curve-plot", "grid"} <= reached
    assert page.evaluate("document.activeElement.id") == "run"
    text = page.inner_text("#run")
    assert "none, seed 0" in text
    assert "Trait accuracy 0.5000" in text
    links = page.locator("#run a").evaluate_all("all => all.map((one) => one.href)")
    path = next(link for link in links if link.endswith("steps.parquet")).removeprefix("file://")
    assert Path(unquote(path)).is_file()
    assert page.locator("#run .plot .main-svg").count() > 0
    visit.quiet()


@needs_chromium
def test_many_numbers_are_filtered_by_a_range(browser: Browser, tmp_path: Path) -> None:
    for number in range(14):
        peak = 0.5 * (number + 1)
        named = {"liminal": {"_target_": "subliminal.mitigations.liminal.Liminal", "peak": peak}}
        settings = config("none") | {"mitigation": named}
        folder = f"peak-{number:08x}"
        write_run(tmp_path, f"peak={peak}", 0, folder=folder, settings=settings)
    place = tmp_path / "report"
    write_html(Report(load([tmp_path])[0]), place / "index.html", place)
    visit = Visit(browser, tmp_path, width=390, scheme="light")
    assert visit.page.locator("#curve-plot .legendtext").count() == 8
    visit.page.get_by_label("mitigation.liminal.peak from").fill("6")
    visit.page.keyboard.press("Tab")
    assert visit.page.inner_text("#shown") == "3 of 14 conditions shown."
    names = visit.page.locator("#grid tbody th").all_inner_texts()
    assert names == ["peak=6", "peak=6.5", "peak=7"]
    assert visit.page.locator("#dose-plot .point").count() == 3
    assert visit.page.text_content("#frontier-plot .xtitle") == "distillation loss ×10⁴"
    assert visit.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    visit.quiet()
