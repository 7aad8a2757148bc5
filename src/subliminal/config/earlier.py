"""Configs that earlier commits recorded: the keys that were added since get their defaults.

A default means "as before" (see `subliminal.config.hashing`), so the config says what it said.
"""

from functools import cache
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path
from hydra.types import RunMode
from omegaconf import OmegaConf

from subliminal.config import schema, sources
from subliminal.config.resources import CONF

Plain = dict[str, Any]

_NAMED = ("mitigation", "probe")  # mappings of which a run has what it names


def filled(config: Plain) -> Plain:
    """Return a recorded config with the keys that today's configs have besides.

    A node with a `_target_` gets those of its own option in `conf/`, all else the defaults. Keys
    that there no longer are stay, and are refused by who builds the config.
    """
    return {str(key): value for key, value in _filled(config, _defaults()).items()}


def _filled(value: Any, default: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if "_target_" in value:
        target = _today(str(value["_target_"]))
        default = _options().get(target, {})
        value = {**value, "_target_": target}
    elif not isinstance(default, dict):
        default = {}
    there = {key: _filled(item, default.get(key)) for key, item in value.items()}
    return there | {key: item for key, item in default.items() if key not in there}


def _today(target: str) -> str:
    """Return the name of a class that moved within its group, under which it is found today."""
    group, name = target.split(".")[:2], target.split(".")[-1]
    moved = [t for t in _options() if t.split(".")[:2] == group and t.split(".")[-1] == name]
    return target if target in _options() or len(moved) != 1 else moved[0]


@cache
def _defaults() -> Plain:
    """Return the config of a command line without overrides."""
    schema.register()
    sources.register()
    # Not by `initialize`, which is for a process that has no Hydra yet.
    loader = ConfigLoaderImpl(create_config_search_path(str(CONF)))
    cfg = loader.load_configuration("config", [], RunMode.RUN)
    ours = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
    plain = OmegaConf.to_container(ours, resolve=True)
    assert isinstance(plain, dict)
    return {str(key): {} if key in _NAMED else value for key, value in plain.items()}


@cache
def _options() -> dict[str, Plain]:
    """Return the values of each class's own option: the file in `conf/` that names the class."""
    found = {}
    for file in sorted(CONF.rglob("*.yaml")):
        values = OmegaConf.to_container(OmegaConf.load(file))
        if isinstance(values, dict) and "_target_" in values:
            found[str(values["_target_"])] = {str(key): value for key, value in values.items()}
    return found
