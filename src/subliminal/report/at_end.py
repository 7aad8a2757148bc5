"""Hydra callback that prints one table over a sweep's conditions at its end."""

from __future__ import annotations

import os
import sys
import webbrowser
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from subliminal.config.terminal import printable
from subliminal.errors import UserError

if TYPE_CHECKING:  # importing polars would delay the start of a sweep
    from subliminal.report.runs import Sweep

_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")


class ShowSweep(Callback):
    """Prints what `python -m subliminal.report --text` does, where conditions can be compared.

    Args:
        bars: draw the figure of teacher, students and chance too; print its path, and open it
            where there is a display.
    """

    def __init__(self, bars: bool = False) -> None:
        self._bars = bars

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Print the table of the experiment that the sweep is of."""
        from subliminal.report import text
        from subliminal.report.read import load

        folder = Path(config.outputs) / str(config.name)
        try:  # other experiments may lie in its folder
            sweep = next(sweep for sweep in load([folder]) if sweep.directory == folder)
        except (UserError, StopIteration):  # no run finished: each job printed why
            return
        if len(sweep.conditions) > 1:
            text.show(sweep)
            print(f"Figures, tables and a page: python -m subliminal.report {folder}")
        if self._bars:
            _draw(sweep, folder / "report" / "figures")


def _draw(sweep: Sweep, folder: Path) -> None:
    from subliminal.report import figures

    path = figures.save(figures.first_look(sweep), sweep, folder)
    print(f"Figure: {printable(path)}")
    if _seen():
        with suppress(OSError, webbrowser.Error):
            webbrowser.open(path.resolve().as_uri())


def _seen() -> bool:
    """Tell whether this is a terminal on a machine with a display."""
    windows = sys.platform in ("darwin", "win32") or any(map(os.environ.get, _DISPLAYS))
    return windows and sys.stdout.isatty()
