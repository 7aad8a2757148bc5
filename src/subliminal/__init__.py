"""Subliminal learning, seed by seed: Hydra sweeps with gradient alignment and trait accuracy.

    import subliminal as sl

    runs = sl.train("seed=0-4", "distill/init=shared,independent", "tracker=none")
    sl.compare(runs, "distill.init")
    sl.plot.accuracy(runs)

Names are imported on first access, so that commands start fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from subliminal.api import plot as plot
    from subliminal.api.compare import compare as compare
    from subliminal.api.defence import defence as defence
    from subliminal.api.results import Run as Run
    from subliminal.api.results import Runs as Runs
    from subliminal.api.results import load as load
    from subliminal.api.train import train as train
    from subliminal.api.trained_network import TrainedNetwork as TrainedNetwork
    from subliminal.errors import RunsFailed as RunsFailed
    from subliminal.errors import UserError as UserError

# The module of each name.
_MODULES = {
    "Run": "api.results",
    "Runs": "api.results",
    "RunsFailed": "errors",
    "TrainedNetwork": "api.trained_network",
    "UserError": "errors",
    "compare": "api.compare",
    "defence": "api.defence",
    "load": "api.results",
    "plot": "api.plot",
    "train": "api.train",
}

__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'subliminal' has no attribute {name!r}")
    module = import_module(f"subliminal.{_MODULES[name]}")
    return module if name == "plot" else getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
