"""A Hydra callback that ends a sweep with one table over its conditions."""

from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from subliminal.errors import UserError


class ShowSweep(Callback):
    """Prints what `python -m subliminal.report --text` does, where conditions can be compared."""

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Print the table of the experiment that the sweep is of."""
        from subliminal.report import text
        from subliminal.report.read import load

        folder = Path(config.outputs) / str(config.name)
        try:  # other experiments may lie in its folder
            sweep = next(sweep for sweep in load([folder]) if sweep.directory == folder)
        except (UserError, StopIteration):  # no run finished: each job has told why
            return
        if len(sweep.conditions) > 1:
            text.show(sweep)
            print(f"Figures, tables and a page: python -m subliminal.report {folder}")
