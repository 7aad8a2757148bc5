"""How many faults were tried, by kind; `--reliability PAGE` writes it into a page (`make faults`).

The page has a table for each file of tests/faults, between marks; only the files that are run are
written anew.
"""

import os
import platform
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pytest
import same_sweep
from fault_injection import WORDS, Disturbed, Tried, Undisturbed, undisturbed

_counts: dict[str, Counter[str]] = {}  # by file, by kind of fault
_not_passed: dict[str, list[str]] = {}  # by file


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--reliability", type=Path, help="write how many faults were tried into this page"
    )


@pytest.fixture
def tried(request: pytest.FixtureRequest) -> Tried:
    """Count faults of a kind. They may cost nothing but time, or their test fails."""

    def count(kind: str, number: int = 1) -> None:
        _counts.setdefault(request.path.stem, Counter())[kind] += number

    return count


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
        made_with = f"Python {platform.python_version()}, torch {version('torch')}"
        first = f"{datetime.now(UTC):%d %B %Y}, {made_with}, {os.cpu_count()} cores."
        for file, counts in _counts.items():
            rows = [*counts.items(), ("**all**", counts.total())]
            lines = [f"| {kind} | {number} |" for kind, number in rows]
            table = [first, "", "| fault | tried |", "| --- | --- |", *lines]
            begin, end = f"<!-- {file}: begin -->", f"<!-- {file}: end -->"
            marked = "\n".join([begin, *table, "", *_not_passed.get(file, ()), end])
            before, _, rest = page.read_text(encoding="utf-8").partition(begin)
            page.write_text(before + marked + rest.partition(end)[2], encoding="utf-8")
