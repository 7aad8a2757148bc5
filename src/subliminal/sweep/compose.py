"""Configs of a sweep's jobs, for which Hydra composes once for each set of chosen options.

Hydra takes about 0.1 s to compose the config. Most jobs of a grid differ in plain values alone
(`optim.lr=0.1`), which Hydra sets last. Here they are set in a copy of the config that the jobs
share. Hydra itself composes a job with any other override, and one whose values do not fit.
"""

import copy
from collections.abc import Callable
from functools import cache
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from subliminal.config import seeds
from subliminal.config.canonical import without_hydra
from subliminal.sweep.grid import Parse, Words


def composer(
    loader: ConfigLoader, sweep: DictConfig, parse: Parse
) -> Callable[[Words], DictConfig]:
    """Return a function that composes a job's config, without Hydra's own node."""

    @cache  # keyed by the overrides that jobs share
    def by_hydra(*words: str) -> DictConfig:
        return without_hydra(loader.load_sweep_config(sweep, list(words)))

    @cache  # keyed by config key
    def is_group(key: str) -> bool:
        return bool(loader.get_group_options(key, ObjectType.CONFIG))

    seed_files = loader.get_group_options("seed", ObjectType.CONFIG)

    def compose(words: Words) -> DictConfig:
        shared: list[str] = []
        values: dict[str, Any] = {}
        for override in parse(words):
            key, value = override.key_or_group, override.value()
            if is_group(key) and not isinstance(value, dict):
                is_seeds = key == "seed" and seeds.is_set(str(value)) and value not in seed_files
                if is_seeds and override.type == OverrideType.CHANGE:
                    values["seed.spec"] = value  # the only key of such an option
                else:
                    shared.append(str(override.input_line))
            elif not _is_plain(override):
                return by_hydra(*words)  # keeps the order of all overrides
            elif "." in key:
                values[key] = value
            else:  # Hydra knows the type of a top-level key
                shared.append(str(override.input_line))
        try:
            cfg = copy.deepcopy(by_hydra(*shared))
            OmegaConf.set_struct(cfg, True)
            for key, value in values.items():
                OmegaConf.update(cfg, key, value)
            OmegaConf.set_struct(cfg, None)
        except (HydraException, OmegaConfBaseException):
            cfg = by_hydra(*words)  # raises Hydra's own error
        return cfg

    return compose


def _is_plain(override: Override) -> bool:
    """Return whether an override changes a value to a number, text or list, as it is written."""
    value = override.value()
    is_plain = isinstance(value, bool | int | float | str | list) and "${" not in str(value)
    ours = override.package is None and not override.is_hydra_override()
    return override.type == OverrideType.CHANGE and is_plain and ours
