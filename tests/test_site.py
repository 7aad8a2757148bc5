"""The documentation: no dead link on GitHub or in the site, which works from files, offline."""

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest
from chromium import browser, needs_chromium
from playwright.sync_api import Browser

from subliminal.config.resources import ROOT

__all__ = ["browser"]
SITE = ROOT / "site"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
HEADING = re.compile(r"^#+ (.*)", re.MULTILINE).findall
LINK = re.compile(r"\]\(([^)\s:#]*)#?([^)\s:]*)\)").findall
HREF = re.compile(r'(?:href|src)="([^":#]*)#?([^":]*)"').findall
SHOWN = ("index", "recipes/first-question", "reference/mitigation", "reference/metrics", "claims")


def test_every_relative_link_leads_to_a_file_and_a_heading() -> None:
    pages = {page.resolve(): page.read_text(encoding="utf-8") for page in PAGES}
    anchors = {
        page: {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in HEADING(text)}
        for page, text in pages.items()
    }
    dead = []
    for page, text in pages.items():
        for path, anchor in LINK(re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)):
            target = (page.parent / path).resolve() if path else page
            if not target.exists() or (anchor and anchor not in anchors.get(target, {anchor})):
                dead.append(f"{page.relative_to(ROOT)}: {path}#{anchor}")
    assert dead == []


@pytest.fixture(scope="module")
def site() -> Path:
    subprocess.run([sys.executable, "-m", "zensical", "build", "--strict"], cwd=ROOT, check=True)
    return SITE


@needs_chromium
def test_the_site_has_no_dead_link(site: Path) -> None:
    text = {page: page.read_text(encoding="utf-8") for page in site.rglob("*.html")}
    dead = set()
    for page, html in text.items():
        for path, anchor in HREF(html) if page.stem != "404" else ():
            target = (page.parent / unquote(path)).resolve() if path else page
            there = not anchor or f'id="{unquote(anchor)}"' in text.get(target, "")
            if not (target.exists() and there):
                dead.add(f"{page.name}: {path}#{anchor}")
    assert dead == set()


@needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 400])
def test_the_site_opens_from_files(
    site: Path, browser: Browser, tmp_path: Path, width: int, scheme: str
) -> None:
    size = {"width": width, "height": 900}
    page = browser.new_page(viewport=size, color_scheme=scheme)  # type: ignore[arg-type]
    said: list[str] = []
    page.on("console", lambda of: said.append(of.text) if of.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda of: None if of.url[:5] in ("file:", "data:") else said.append(of.url))
    for name in SHOWN:
        page.goto((site / f"{name}.html").as_uri())
        page.wait_for_timeout(300)
        page.screenshot(path=tmp_path / f"{name.replace('/', '-')}.png")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.goto((site / "reference" / "metrics.html").as_uri())
    page.fill(".table-filter input", "ledger")
    assert (page.text_content(".table-filter span") or "").startswith("5 of ")
    page.click("th >> text=metric")
    page.click("th >> text=metric")
    first = page.locator("tbody tr:not([hidden])").first
    assert "ledger/predicted_penalty" in first.inner_text()  # last by name
    page.click("[for=__search]:visible, .md-search__button:visible")
    page.get_by_placeholder("Search").press_sequentially("liminal", delay=200)
    number = page.get_by_text(re.compile(r"^\d+ results$"))
    number.wait_for()
    page.wait_for_timeout(1000)
    page.screenshot(path=tmp_path / "search.png")
    assert page.get_by_placeholder("Search").input_value() == "liminal"
    assert 9 < int(number.inner_text().split()[0]) < 90
    assert said == []
