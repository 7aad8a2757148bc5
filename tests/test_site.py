"""The documentation: no dead link on GitHub or in the site, which works from files, offline."""

import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import pytest
from chromium import browser, needs_chromium
from markdown_it import MarkdownIt
from playwright.sync_api import Browser

from subliminal.config.resources import ROOT

__all__ = ["browser"]
SITE = ROOT / "site"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
SHOWN = ("index", "recipes/first-question", "reference/mitigation", "reference/metrics", "claims")


def parsed(page: Path) -> tuple[set[str], list[str]]:
    """Return the anchors of a page's headings, as GitHub makes them, and its relative links."""
    tokens = MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))
    inline = [child for token in tokens for child in token.children or ()]
    links = [str(of.attrGet("href") or of.attrGet("src") or "") for of in inline]
    titles = [
        "".join(child.content for child in after.children or ())
        for token, after in pairwise(tokens)
        if token.type == "heading_open"
    ]
    anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
    return anchors | {""}, [unquote(link) for link in links if link and ":" not in link]


def test_every_relative_link_leads_to_a_file_and_a_heading() -> None:
    known = {page.resolve(): parsed(page) for page in PAGES}
    dead = []
    for page, (_, links) in known.items():
        for link in links:
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            if not target.exists() or anchor not in known.get(target, ({anchor}, []))[0]:
                dead.append(f"{page.relative_to(ROOT)}: {link}")
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
        for link in re.findall(r'(?:href|src)="([^":]+)"', html) if page.stem != "404" else ():
            path, _, anchor = unquote(link).partition("#")
            target = (page.parent / path).resolve() if path else page
            there = not anchor or f'id="{anchor}"' in text.get(target, "")
            if not (target.exists() and there):
                dead.add(f"{page.name}: {link}")
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
    assert page.text_content(".table-filter span") == "5 of 69 rows"
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
