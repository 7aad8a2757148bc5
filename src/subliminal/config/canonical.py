"""One spelling of a config: `1`, `1.0` and `'1e0'` are one value, if its field is a number.

Names (hashes) are made of this spelling, and it is what runs record.
"""

import json
from collections.abc import Mapping
from dataclasses import field, fields, is_dataclass, make_dataclass
from functools import cache, lru_cache, reduce
from operator import getitem
from typing import Any, get_origin

from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from subliminal.config.build import typed
from subliminal.config.hashing import Mark, hints, marks
from subliminal.config.schema import Config
from subliminal.errors import UserError, one_line

Plain = dict[str, Any]


def canonical(cfg: DictConfig | Mapping[str, Any]) -> Plain:
    """Return a composed config as plain values, each of its field's type, with all defaults.

    Lists whose order means nothing (see `subliminal.config.hashing`) are sorted, without doubles.

    Raises:
        UserError: a key is unknown or missing, or a value is not of its field's type.
    """
    given: Any = cfg
    try:
        if isinstance(cfg, DictConfig):
            # A sweep's config has Hydra's own node, with values that only its jobs know.
            own = [str(key) for key in cfg if key != "hydra"]
            ours = OmegaConf.masked_copy(cfg, own) if "hydra" in cfg else cfg
            given = _plain(ours)
        names = [item.name for item in fields(Config)]
        if unknown := {key: given[key] for key in given if key not in names}:
            # Hydra lets `+key=value` add any key: the schema has the last word, and refuses it.
            OmegaConf.merge(OmegaConf.structured(Config), unknown)
        # The order of a mapping is kept: mitigations act in turn.
        texts = {name: json.dumps(given[name]) if name in given else None for name in names}
        complete = isinstance(cfg, DictConfig)  # a condition's record has no seed
        return {name: json.loads(_part(name, text, complete)) for name, text in texts.items()}
    except OmegaConfBaseException as error:
        raise UserError(one_line(error)) from error


def _plain(cfg: DictConfig) -> Any:
    """Return a config as plain values, sooner than OmegaConf does where all are there."""
    try:
        return _values(cfg)
    except _Unsettled:
        return OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)


class _Unsettled(Exception):
    """A value is missing, or taken from elsewhere."""


def _values(node: Any) -> Any:
    value = node._value()
    if isinstance(value, dict):
        return {key: _values(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_values(item) for item in value]
    if isinstance(value, str) and (value == MISSING or "${" in value):
        raise _Unsettled
    return value


@lru_cache(maxsize=4096)  # the jobs of a sweep have most of their parts in common
def _part(name: str, text: str | None, complete: bool) -> str:
    """Return what lies at a key of the config; of the schema's defaults, where that is nothing."""
    given = {} if text is None else {name: json.loads(text)}
    nodes: dict[tuple[str, ...], Plain] = {}
    frame = json.dumps(_without_nodes(given, Config, nodes))
    values = json.loads(_framed(name, frame, complete or text is not None))
    for (*above, key), node in nodes.items():
        reduce(getitem, above, values)[key] = node
    return json.dumps(_spelled(Config, values, "")[name])


def _without_nodes(
    value: Any, hint: Any, nodes: dict[tuple[str, ...], Plain], place: tuple[str, ...] = ()
) -> Any:
    """Return plain values with nothing in place of each node, which goes to `nodes` by its place.

    Of a field that takes any value the schema says no more than that it is there.
    """
    if not isinstance(value, dict):
        return value
    if isinstance(hint, type) and is_dataclass(hint):
        types = hints(hint)
    elif hint is Any and "_target_" in value:
        nodes[place] = value
        return {}
    elif hint is Any or get_origin(hint) is dict:
        types = dict.fromkeys(value, Any)
    else:
        return value
    return {
        key: _without_nodes(item, types.get(key), nodes, (*place, key))
        for key, item in value.items()
    }


@lru_cache(maxsize=4096)  # … and of their parts most that is no node
def _framed(name: str, frame: str, complete: bool) -> str:
    """Return a part as its schema types it and fills it in."""
    merged = OmegaConf.merge(_schema(name), json.loads(frame))
    return json.dumps(OmegaConf.to_container(merged, throw_on_missing=complete))


@cache
def _schema(name: str) -> Any:
    """Return the schema of one key of the config."""
    (item,) = (item for item in fields(Config) if item.name == name)
    alone = field(default=item.default, default_factory=item.default_factory)
    return OmegaConf.structured(make_dataclass("Config", [(name, hints(Config)[name], alone)]))


def _spelled(cls: type[Any], values: Mapping[Any, Any], where: str) -> Plain:
    """Spell the typed values of a dataclass, in the order in which they are given."""
    types, marked = hints(cls), marks(cls)  # type: ignore[arg-type]  # a class has a hash
    spelled: Plain = {}
    for key, value in values.items():
        place = f"{where}{key}"
        hint = types[key]
        if isinstance(value, dict) and isinstance(hint, type) and is_dataclass(hint):
            spelled[key] = _spelled(hint, value, f"{place}.")
        else:
            spelled[key] = _value(value, place, unordered=Mark.UNORDERED in marked[key])
    return spelled


def _value(value: Any, place: str, *, unordered: bool = False) -> Any:
    if isinstance(value, dict) and "_target_" in value:
        return _node(json.dumps(value), place)
    if isinstance(value, dict):
        return {key: _value(item, f"{place}.{key}") for key, item in value.items()}
    if isinstance(value, list):
        items = [_item(item) for item in value]
        return sorted(set(items), key=_heads_last) if unordered else items
    return value + 0.0 if isinstance(value, float) else value  # −0.0 is 0.0


@lru_cache(maxsize=4096)  # the jobs of a sweep have most of their nodes in common
def _node(text: str, place: str) -> Plain:
    node = OmegaConf.create(json.loads(text))
    cls, values = typed(node, place)
    plain = OmegaConf.to_container(values)
    assert isinstance(plain, dict)
    given = [str(key) for key in node if key != "_target_"]
    ordered = {key: plain[key] for key in dict.fromkeys([*given, *plain])}
    return {
        "_target_": f"{cls.__module__}.{cls.__qualname__}",
        **_spelled(cls, ordered, f"{place}."),
    }


def _item(item: Any) -> Any:
    # As files write lists: [0, .inf] of numbers that may have a fraction.
    return int(item) if isinstance(item, float) and item.is_integer() else item


def _heads_last(item: Any) -> tuple[bool, Any]:
    # As files write lists of layers: layer1, layer2, class, aux.
    return str(item).partition(".")[0] == "aux", item
