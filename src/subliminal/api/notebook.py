"""The progress of a command as one output of a notebook's cell, drawn anew as it changes.

Rich has a display for notebooks, which needs ipywidgets; this one needs what every notebook has.
"""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from subliminal.sweep.console import JobProgress, Told

INTERVAL = 0.3  # seconds between two drawings
WIDTH, TITLE = 100, 40  # columns


def progress() -> Callable[[Told], None] | None:
    """Return what shows a command's progress here; None where this is no notebook."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return Display().hear if hasattr(shell, "kernel") else None


class Display:
    """One output of a cell, with the bars of the job that is running."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._job: JobProgress | None = None
        self._drawn = 0.0

    def hear(self, told: Told) -> None:
        """Draw the bars as they are now, unless they were drawn just before."""
        from subliminal.sweep.console import JobProgress, columns

        if isinstance(told, tuple):
            title, seeds = told
            short = title if len(title) <= TITLE else f"{title[: TITLE - 1]}…"
            self._job = JobProgress(columns(), short, seeds)
        elif self._job is not None:
            self._job.seeds_done(told) if isinstance(told, int) else self._job.report(told)
        if not isinstance(told, int) and time.monotonic() - self._drawn < INTERVAL:
            return
        self._drawn = time.monotonic()
        with suppress(Exception):  # what fails to be shown stops no training
            self._draw()

    def _draw(self) -> None:
        from IPython.display import display
        from rich.console import Console

        assert self._job is not None
        # Not a notebook's console of rich's, which would show what it is given at once.
        console = Console(file=io.StringIO(), record=True, width=WIDTH, force_jupyter=False)
        console.print(self._job.bars)
        code = "<pre style='line-height:1.2'>{code}</pre>"
        shown = {
            "text/plain": console.export_text(clear=False),
            "text/html": console.export_html(inline_styles=True, code_format=code),
        }
        if self._handle is None:
            self._handle = display(shown, raw=True, display_id=True)
        else:
            self._handle.update(shown, raw=True)
