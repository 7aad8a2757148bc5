"""The report's command, run in the test's process."""

import sys
from pathlib import Path

import pytest

from subliminal.report.__main__ import main


def run_report(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    """Return the exit status of `python -m subliminal.report` with these arguments."""
    monkeypatch.setattr(sys, "argv", ["report", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, int)
    return ended.value.code
