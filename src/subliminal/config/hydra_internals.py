"""All that this package takes from Hydra's private modules, with the reason for each name.

Hydra makes no promise about these names. tests/config/test_hydra_internals.py names the versions
that they were tried with.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# Patched by `composing`: composes every config, also before Hydra instantiates callbacks.
from hydra._internal.config_loader_impl import ConfigLoaderImpl

# Reads the configs of a folder; a source for `sweeps/` would otherwise parse their headers itself.
from hydra._internal.core_plugins.file_config_source import FileConfigSource as FileConfigSource

# Hydra's command line flags; `hydra.main` has no public function for them.
from hydra._internal.utils import get_args_parser as get_args_parser
from omegaconf import DictConfig

from subliminal.errors import UserError

# What `hydra/launcher=basic`, the default, and `hydra/sweeper=basic` name as their targets.
BASIC = (
    "hydra._internal.core_plugins.basic_launcher.BasicLauncher",
    "hydra._internal.core_plugins.basic_sweeper.BasicSweeper",
)


@contextmanager
def composing(check: Callable[[DictConfig], None], *, multirun: bool) -> Iterator[None]:
    """Call `check` with every config that Hydra composes, before anything in it is instantiated.

    Args:
        check: raises where a config may not be used.
        multirun: the command line has the flag -m. Hydra then composes once less: it would look
            for `hydra.mode`, which the flag overrides.

    Raises:
        UserError: an environment variable of `hydra.job.env_copy` is not set.
    """
    compose = ConfigLoaderImpl.load_configuration

    def checked(self: ConfigLoaderImpl, *args: Any, **kwargs: Any) -> DictConfig:
        if multirun and not kwargs.get("validate_sweep_overrides", True):
            raise LookupError
        try:
            cfg = compose(self, *args, **kwargs)
        except KeyError as error:
            if type(error) is not KeyError:  # one of Hydra's, with a message of its own
                raise
            raise UserError(f"hydra.job.env_copy: {error} is not set") from error
        check(cfg)
        return cfg

    ConfigLoaderImpl.load_configuration = checked  # type: ignore[method-assign]
    try:
        yield
    finally:
        ConfigLoaderImpl.load_configuration = compose  # type: ignore[method-assign]
