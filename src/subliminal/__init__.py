"""Subliminal learning, seed by seed: Hydra sweeps with gradient alignment and trait accuracy.

    import subliminal as sl

    runs = sl.train("seed=0-4", "distill/init=shared,independent", "tracker=none")
    sl.compare(runs, "distill.init")
    sl.plot.accuracy(runs)

What is named here is imported when it is first asked for, so that commands answer at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from subliminal.api import plot as plot
    from subliminal.api.compare import compare as compare
    from subliminal.api.frozen import FrozenNetwork as FrozenNetwork
    from subliminal.api.runs import Run as Run
    from subliminal.api.runs import Runs as Runs
    from subliminal.api.runs import load as load
    from subliminal.errors import RunsFailed as RunsFailed
    from subliminal.errors import UserError as UserError
    from subliminal.train import train as train

# Each name, and the module that has it; modules are named by themselves.
_PLACES = {
    "FrozenNetwork": "api.frozen",
    "Run": "api.runs",
    "Runs": "api.runs",
    "RunsFailed": "errors",
    "UserError": "errors",
    "compare": "api.compare",
    "load": "api.runs",
    "plot": "api.plot",
    "train": "train",  # the module of the command, which is a function too
}

__all__ = sorted(_PLACES)


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'subliminal' has no attribute {name!r}")
    module = import_module(f"subliminal.{_PLACES[name]}")
    return module if name in ("plot", "train") else getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES})
