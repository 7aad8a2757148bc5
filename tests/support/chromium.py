"""A real browser for the report's page, where there is one."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = shutil.which("chromium")


def needs_chromium(test: Callable[..., None]) -> Callable[..., None]:
    """Mark a test that is slow and needs a browser."""
    reason = "no chromium (Debian: apt install chromium)"
    pytest.mark.skipif(CHROMIUM is None, reason=reason)(test)
    pytest.mark.slow(test)
    return test


@pytest.fixture(scope="module")  # of two modules in one process: Playwright allows one at a time
def browser() -> Iterator[Browser]:
    """The browser, started once."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Visit:
    """A page that is open, with what it said and what it asked for."""

    def __init__(self, browser: Browser, experiment: Path, *, width: int, scheme: str) -> None:
        size = {"width": width, "height": 900}
        self.page: Page = browser.new_page(viewport=size, color_scheme=scheme)  # type: ignore[arg-type]
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto((experiment / "report" / "index.html").as_uri())
        self.page.wait_for_selector("#frontier-plot .main-svg")
        self.page.wait_for_selector("#grid button")

    def quiet(self) -> None:
        """Check that there was no error, warning or request but for the page itself."""
        assert self.said == []
        assert [url.rpartition("/")[2] for url in self.asked] == ["index.html"]
