"""Visit the documentation's site in Chromium, from its files: `site_visit.py SITE SCREENSHOTS`."""

import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from playwright.sync_api import sync_playwright

PAGES = ("index", "recipes/first-question", "reference/mitigation", "reference/metrics", "defences")
VIEWS = [(width, scheme) for width in (1400, 400) for scheme in ("light", "dark")]


class Parsed(HTMLParser):
    """Links and anchors of a page."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.anchors: set[str] = {""}
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what the tag leads to, and its own name."""
        for name, value in attrs:
            if name in ("href", "src") and value and not urlsplit(value).scheme:
                self.links.add(value)
            elif name in ("id", "name") and value:
                self.anchors.add(value)


def dead_links(site: Path) -> list[str]:
    """Return links to files or anchors that are not there, as `page: link`."""
    pages = {page: Parsed(page) for page in site.rglob("*.html") if page.stem != "404"}
    dead = []
    for page, parsed in pages.items():
        for link in sorted(parsed.links):
            parts = urlsplit(link)
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            target = target / "index.html" if (target / "index.html").is_file() else target
            known = pages[target].anchors if target in pages else {parts.fragment}
            if not target.exists() or unquote(parts.fragment) not in known:
                dead.append(f"{page.relative_to(site)}: {link}")
    return dead


def visit(site: Path, screenshots: Path) -> list[str]:
    """Return what is wrong: console messages, requests to the network, a search without results."""
    wrong: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for width, scheme in VIEWS:
            size = {"width": width, "height": 900}
            page = browser.new_page(viewport=size, color_scheme=scheme)  # type: ignore[arg-type]
            page.on("console", lambda message: wrong.append(message.text))
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.on("request", lambda r: None if r.url.startswith(("file:", "data:", "blob:")) else wrong.append(r.url))
            for name in PAGES:
                page.goto((site / f"{name}.html").as_uri())
                page.wait_for_timeout(400)
                stem = f"{name.replace('/', '-')}-{width}-{scheme}"
                page.screenshot(path=screenshots / f"{stem}.png")
            if width == VIEWS[0][0]:
                page.keyboard.press("Control+k")
                page.wait_for_timeout(500)
                page.keyboard.type("liminal")
                page.wait_for_timeout(1500)
                page.screenshot(path=screenshots / f"search-{width}-{scheme}.png")
        browser.close()
    return wrong


if __name__ == "__main__":
    site, screenshots = map(Path, sys.argv[1:])
    screenshots.mkdir(parents=True, exist_ok=True)
    found = dead_links(site.resolve()) 
    print("\n".join(found[:30]), len(found))
    print("\n".join(visit(site.resolve(), screenshots)[:20]))
