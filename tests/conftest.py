"""Fixtures of all tests."""

import os
from collections.abc import Callable, Iterator

import pytest
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from subliminal import config, seeds, sources
from subliminal.resources import CONF

# Worker processes inherit it: what tests name in configs are plugins, as a user's.
os.environ["SUBLIMINAL_PLUGINS"] = "small"


@pytest.fixture
def compose() -> Iterator[Callable[[list[str]], DictConfig]]:
    """Composes the real `conf/` with a command line's overrides, as the entrypoint does."""
    config.register()
    sources.register()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield lambda argv: hydra_compose("config", seeds.quote(argv, named={"paper"}))
