"""What faults cost, by kind; `--reliability PAGE` writes the table into a page (`make faults`)."""

import os
import platform
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pytest
from disturbed import WORDS, Cost, Disturbed, Undisturbed, undisturbed

BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"
_costs: dict[str, Cost] = {}
_not_passed: list[str] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--reliability", type=Path, help="write what the faults cost into this page")


@pytest.fixture
def cost() -> Callable[[str], Cost]:
    """Return the account of one kind of fault."""
    return lambda kind: _costs.setdefault(kind, Cost())


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """The small sweep, undisturbed."""
    return undisturbed(tmp_path_factory.mktemp("whole"), WORDS)


@pytest.fixture
def sweep(tmp_path: Path, whole: Undisturbed) -> Disturbed:
    """The small sweep, not yet begun."""
    return Disturbed(tmp_path / "sweep", whole)


@pytest.fixture(scope="session")
def half_done(tmp_path_factory: pytest.TempPathFactory, whole: Undisturbed) -> Path:
    """The outputs of a sweep that was killed when a half of its runs were finished; to copy."""
    sweep = Disturbed(tmp_path_factory.mktemp("half"), whole)
    sweep.half_done()
    return sweep.outputs


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep what did not pass: the table has to say so."""
    if report.nodeid.startswith("tests/faults/") and not report.passed:
        _not_passed.append(f"{report.outcome}: `{report.nodeid}`")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the page."""
    page: Path | None = session.config.getoption("--reliability", None)
    if page is not None:
        text = page.read_text(encoding="utf-8")
        marked = "\n".join([BEGIN, *_lines(), "", *_not_passed, END])
        page.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: marked, text, flags=re.DOTALL))


def _lines() -> Iterator[str]:
    total = Cost()
    made_with = f"Python {platform.python_version()}, torch {version('torch')}"
    yield f"{datetime.now(UTC):%d %B %Y}, {made_with}, {os.cpu_count()} cores."
    yield ""
    yield (
        "| fault | tried | finished runs lost | files that differ | markers without data "
        "| files left behind |"
    )
    yield "| --- | --- | --- | --- | --- | --- |"
    for kind, cost in _costs.items():
        yield _row(kind, cost)
        for name, number in vars(cost).items():
            setattr(total, name, getattr(total, name) + number)
    yield _row("**all**", total)


def _row(kind: str, cost: Cost) -> str:
    return f"| {kind} | {' | '.join(str(number) for number in vars(cost).values())} |"
