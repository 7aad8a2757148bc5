"""The sweeper of subliminal as a Hydra plugin.

Hydra instantiates sweepers from the namespace package `hydra_plugins` alone, and imports this
module at every start. So it imports little: `subliminal.sweep.sweeper` does the work.
"""

from __future__ import annotations

from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class SubliminalSweeper(Sweeper):
    """Checks every job of a sweep before the first one trains; grids and paired values.

    Args:
        params: overrides of a sweep file, by key.
        grids: several grids, each a mapping as `params` is, or a list of overrides.
    """

    def __init__(self, params: Any = None, grids: Any = None) -> None:
        self.params, self.grids = params, grids

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep the arguments for `sweep`, and make the launcher."""
        self._context, self._config = hydra_context, config
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        """Check, plan and launch all jobs of the sweep; return their results."""
        from subliminal.sweep.sweeper import run_sweep

        return run_sweep(self._config, self._context, self._launcher, arguments)
