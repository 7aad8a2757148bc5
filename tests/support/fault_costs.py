"""What faults cost, by kind; `--reliability PAGE` writes it into a page (`make faults`).

The page has a table for each file of tests/faults, between marks; only the files that are run are
written anew.
"""

import os
import platform
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pytest
import same_sweep
from fault_injection import WORDS, Cost, Disturbed, Undisturbed, undisturbed

_costs: dict[str, dict[str, Cost]] = {}  # by file, by kind of fault
_not_passed: dict[str, list[str]] = {}  # by file


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--reliability", type=Path, help="write what the faults cost into this page")


@pytest.fixture
def cost(request: pytest.FixtureRequest) -> Callable[..., Cost]:
    """Count faults of one kind; return its account."""

    def account(kind: str, tried: int = 1) -> Cost:
        found = _costs.setdefault(request.path.stem, {}).setdefault(kind, Cost())
        found.tried += tried
        return found

    return account


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """The small sweep, undisturbed."""
    return undisturbed(tmp_path_factory.mktemp("whole"), WORDS)


@pytest.fixture
def sweep(tmp_path: Path, whole: Undisturbed) -> Iterator[Disturbed]:
    """The small sweep, not yet begun."""
    sweep = Disturbed(tmp_path / "sweep", whole)
    yield sweep
    same_sweep.end_all(sweep.started)


@pytest.fixture(scope="session")
def half_done(tmp_path_factory: pytest.TempPathFactory, whole: Undisturbed) -> Path:
    """The outputs of a sweep that was killed when a half of its runs were finished; to copy."""
    sweep = Disturbed(tmp_path_factory.mktemp("half"), whole)
    sweep.half_done()
    return sweep.outputs


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep what did not pass: the table has to say so."""
    file, _, case = report.nodeid.partition("::")
    if file.startswith("tests/faults/") and not report.passed:
        _not_passed.setdefault(Path(file).stem, []).append(f"{report.outcome}: `{case}`\n")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the page."""
    page: Path | None = session.config.getoption("--reliability", None)
    if page is not None:
        for file, accounts in _costs.items():
            begin, end = f"<!-- {file}: begin -->", f"<!-- {file}: end -->"
            marked = "\n".join([begin, *_lines(accounts), "", *_not_passed.get(file, ()), end])
            before, _, rest = page.read_text(encoding="utf-8").partition(begin)
            page.write_text(before + marked + rest.partition(end)[2], encoding="utf-8")


def _lines(accounts: dict[str, Cost]) -> Iterator[str]:
    made_with = f"Python {platform.python_version()}, torch {version('torch')}"
    yield f"{datetime.now(UTC):%d %B %Y}, {made_with}, {os.cpu_count()} cores."
    yield ""
    yield (
        "| fault | tried | finished runs lost | files that differ | markers without data "
        "| files left behind |"
    )
    yield "| --- | --- | --- | --- | --- | --- |"
    total = Cost()
    for kind, cost in accounts.items():
        yield _row(kind, cost)
        for name, number in vars(cost).items():
            setattr(total, name, getattr(total, name) + number)
    yield _row("**all**", total)


def _row(kind: str, cost: Cost) -> str:
    return f"| {kind} | {' | '.join(str(number) for number in vars(cost).values())} |"
