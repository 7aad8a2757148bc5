"""Everything that this package imports from Hydra's private modules, with the reason for each name.

The names may change in any release. tests/config/test_hydra_internals.py lists the versions of
Hydra that were tried.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# Composes every config, before Hydra instantiates callbacks; `composing` patches it.
from hydra._internal.config_loader_impl import ConfigLoaderImpl

# Reads config files and their headers; the source for `sweeps/` would have to repeat it.
from hydra._internal.core_plugins.file_config_source import FileConfigSource as FileConfigSource

# Holds the class that reads config files, which our sources replace until a loader has it.
from hydra._internal.sources_registry import SourcesRegistry as SourcesRegistry

# Parses Hydra's flags; there is no public function for it.
from hydra._internal.utils import get_args_parser as get_args_parser
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig

from subliminal.config.composition import explained
from subliminal.errors import UserError

# Targets of `hydra/launcher=basic`, the default, and of `hydra/sweeper=basic`.
BASIC = (
    "hydra._internal.core_plugins.basic_launcher.BasicLauncher",
    "hydra._internal.core_plugins.basic_sweeper.BasicSweeper",
)


@contextmanager
def composing(check: Callable[[DictConfig], None], *, multirun: bool) -> Iterator[None]:
    """Call `check` with every config that Hydra composes, before anything in it is instantiated.

    Args:
        check: raises if a config may not be used; may change it.
        multirun: the command line has the flag -m. Then the composition is skipped from which Hydra
            would read only `hydra.mode`: the flag overrides it.

    Raises:
        UserError: an override is wrong, or a variable of `hydra.job.env_copy` is not set.
    """
    compose = ConfigLoaderImpl.load_configuration

    def checked(self: ConfigLoaderImpl, *args: Any, **kwargs: Any) -> DictConfig:
        if multirun and not kwargs.get("validate_sweep_overrides", True):
            raise LookupError
        try:
            cfg = compose(self, *args, **kwargs)
        except (HydraException, ValueError, KeyError, TypeError) as error:
            if line := explained(error, self, kwargs):
                raise UserError(line) from error
            raise
        if multirun or cfg.hydra.mode == RunMode.MULTIRUN:
            # Launchers hand the registry to processes in which Hydra registers its own class again.
            SourcesRegistry.instance().types["file"] = FileConfigSource
        check(cfg)
        return cfg

    ConfigLoaderImpl.load_configuration = checked  # type: ignore[method-assign]
    try:
        yield
    finally:
        ConfigLoaderImpl.load_configuration = compose  # type: ignore[method-assign]
